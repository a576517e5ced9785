// Autosave: what has settled goes to the server with the revision that it is based on. The answer is the next
// revision, or a conflict that a person settles. Until then the browser keeps a copy of what is not saved.

import { EMPTY, blank, publish, state } from "./store";

const SAVE_AFTER_MS = 600;
const ANSWER_WITHIN_MS = 10000;
const RETRY_AFTER_MS = 2000;

let save = null;
let saveTimer = null;
let answerTimer = null;
let inFlight = null;
let requests = 0;

const backupKey = (id) => `agentflow.draft.${id}`;

export function backup() {
  try {
    localStorage.setItem(
      backupKey(state.agentId),
      JSON.stringify({ revision: state.revision, definition: state.definition }),
    );
  } catch {
    // A full or forbidden storage costs only the safety net; autosave goes on.
  }
}

function kept(id) {
  try {
    return JSON.parse(localStorage.getItem(backupKey(id)) ?? "null");
  } catch {
    return null;
  }
}

/** The same text for the same definition: the database keeps no order of keys. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical)}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)}}`;
}

const same = (one, other) => canonical({ ...EMPTY, ...one }) === canonical({ ...EMPTY, ...other });

export function discard() {
  localStorage.removeItem(backupKey(state.agentId));
}

export function onSave(handler) {
  save = handler;
}

export function scheduleSave(delay = SAVE_AFTER_MS) {
  clearTimeout(saveTimer);
  saveTimer = setTimeout(flush, delay);
}

export function flush() {
  clearTimeout(saveTimer);
  if (!save || inFlight || state.readOnly || !["dirty", "failed"].includes(state.saved)) return;
  requests += 1;
  inFlight = { request: `${Date.now()}-${requests}`, definition: state.definition };
  publish({ saved: "saving" });
  save({
    request: inFlight.request,
    agent_id: state.agentId,
    definition: state.definition,
    revision: state.revision,
  });
  clearTimeout(answerTimer);
  answerTimer = setTimeout(() => {
    inFlight = null;
    publish({ saved: "failed" });
    scheduleSave(RETRY_AFTER_MS);
  }, ANSWER_WITHIN_MS);
}

export function load({ agent_id: agentId, definition, revision, read_only: readOnly }) {
  clearTimeout(saveTimer);
  clearTimeout(answerTimer);
  inFlight = null;
  const copy = readOnly ? null : kept(agentId);
  const unsaved = copy !== null && !same(copy.definition, definition);
  const outdated = unsaved && copy.revision !== revision;
  const shown = unsaved ? copy.definition : definition;
  // A page may be told twice what it shows: what was selected and can be undone stays.
  const known = agentId === state.agentId && same(shown, state.definition);
  publish({
    ...(known ? state : blank()),
    // These come beside the draft, and may have come before it.
    sample: state.sample,
    problems: state.problems,
    agentId,
    readOnly,
    revision: unsaved ? copy.revision : revision,
    theirs: revision,
    definition: known ? state.definition : { ...EMPTY, ...shown },
    saved: outdated ? "conflict" : unsaved ? "dirty" : "saved",
  });
  if (!unsaved) discard();
  else if (!outdated) scheduleSave(0);
}

/** Takes the answer to the save that is under way. Any other is old: a page that reloads gets its last one again. */
export function acknowledge({ request, status, revision }) {
  if (request !== inFlight?.request) return;
  clearTimeout(answerTimer);
  const clean = inFlight.definition === state.definition;
  inFlight = null;
  if (status === "conflict") publish({ saved: status, theirs: revision });
  else if (status !== "saved") publish({ saved: status });
  else {
    publish({ revision, saved: clean ? "saved" : "dirty" });
    if (clean) discard();
    else {
      backup();
      scheduleSave(0);
    }
  }
}

/** Ends a conflict: puts this copy on top of the other side's latest. */
export function overwrite() {
  publish({ revision: state.theirs, saved: "dirty" });
  backup();
  scheduleSave(0);
}
