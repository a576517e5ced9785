// The builder's working copy of a definition: the one truth while someone edits. The server gets what has
// settled, with the revision it is based on, and answers with the next revision or a conflict.

import { useSyncExternalStore } from "react";
import { arranged } from "./layout";
import { defaultsOf, fieldsOf, handlesOf, parseLike, parseNumber, referencesOf, summaryOf } from "./schema";

const SAVE_AFTER_MS = 600;
const ANSWER_WITHIN_MS = 10000;
const HISTORY = 200;
const GRID = 20;
const GROUPS = ["trigger", "ai", "action", "logic", "human"];
const EMPTY = { schema_version: 1, nodes: [], edges: [], notes: [], groups: [] };

const blank = () => ({
  agentId: "",
  readOnly: true,
  definition: EMPTY,
  revision: 0,
  selected: [],
  selectedEdges: [],
  past: [],
  future: [],
  saved: "loading",
  problems: [],
  query: "",
  splitting: null,
});

let state = blank();
let catalog = new Map();
let view = {};
let save = null;
let saveTimer = null;
let answerTimer = null;
let inFlight = null;
let lastTag = null;
let lastField = null;
let flow = null;
const listeners = new Set();

const kindOf = (node) => catalog.get(`${node.type}.${node.subtype}`);
const backupKey = (id) => `agentflow.draft.${id}`;

function publish(patch) {
  state = { ...state, ...patch };
  view = {};
  listeners.forEach((listener) => listener());
}

function backup() {
  try {
    localStorage.setItem(
      backupKey(state.agentId),
      JSON.stringify({ revision: state.revision, definition: state.definition }),
    );
  } catch {
    // A full or forbidden storage costs only the safety net; autosave goes on.
  }
}

function restore(id, revision) {
  try {
    const kept = JSON.parse(localStorage.getItem(backupKey(id)) ?? "null");
    return kept?.revision === revision ? kept.definition : null;
  } catch {
    return null;
  }
}

function scheduleSave(delay = SAVE_AFTER_MS) {
  clearTimeout(saveTimer);
  saveTimer = setTimeout(flush, delay);
}

function flush() {
  clearTimeout(saveTimer);
  if (!save || inFlight || state.readOnly || !["dirty", "failed"].includes(state.saved)) return;
  inFlight = state.definition;
  publish({ saved: "saving" });
  save({ agent_id: state.agentId, definition: state.definition, revision: state.revision });
  clearTimeout(answerTimer);
  answerTimer = setTimeout(() => {
    inFlight = null;
    publish({ saved: "failed" });
    scheduleSave(2000);
  }, ANSWER_WITHIN_MS);
}

/** Makes `definition` current and remembers the one before. Changes with the same `tag` are one step of undo. */
function commit(definition, tag = null) {
  if (state.readOnly || definition === state.definition) return;
  const merged = tag !== null && tag === lastTag;
  lastTag = tag;
  publish({
    definition,
    past: merged ? state.past : [...state.past, state.definition].slice(-HISTORY),
    future: [],
    saved: state.saved === "conflict" ? "conflict" : "dirty",
  });
  backup();
  scheduleSave();
}

function travel(from, to) {
  const target = state[from].at(-1);
  if (!target || state.readOnly) return;
  const ids = new Set(target.nodes.map((node) => node.id));
  lastTag = null;
  publish({
    definition: target,
    [from]: state[from].slice(0, -1),
    [to]: [...state[to], state.definition],
    selected: state.selected.filter((id) => ids.has(id)),
    saved: state.saved === "conflict" ? "conflict" : "dirty",
  });
  backup();
  scheduleSave();
}

const snap = ({ x, y }) => ({ x: Math.round(x / GRID) * GRID, y: Math.round(y / GRID) * GRID });

function freeId(subtype, taken) {
  const base = subtype.replace(/[^a-z0-9]+/g, "_").replace(/^[^a-z]+/, "") || "node";
  for (let n = 1; ; n += 1) {
    const id = n === 1 ? base : `${base}_${n}`;
    if (!taken.has(id)) {
      taken.add(id);
      return id;
    }
  }
}

function edgeId(edges) {
  const taken = new Set(edges.map((edge) => edge.id));
  for (let n = edges.length + 1; ; n += 1) if (!taken.has(`e${n}`)) return `e${n}`;
}

function edgeOf(edges, { source, sourceHandle, target }) {
  const edge = { id: edgeId(edges), source, target };
  if (sourceHandle && sourceHandle !== "out") edge.source_handle = sourceHandle;
  return edge;
}

function patchNode(id, change, tag) {
  const nodes = state.definition.nodes.map((node) => (node.id === id ? change(node) : node));
  commit({ ...state.definition, nodes }, tag);
}

function setConfig(id, name, value, tag) {
  patchNode(
    id,
    (node) => {
      const config = { ...node.config };
      if (value === undefined) delete config[name];
      else config[name] = value;
      return { ...node, config };
    },
    tag ?? `${id}.${name}`,
  );
}

function fieldValue(id, name) {
  return state.definition.nodes.find((node) => node.id === id)?.config?.[name];
}

function insertCopies(nodes, edges, offset) {
  const taken = new Set(state.definition.nodes.map((node) => node.id));
  const renamed = new Map();
  const copies = nodes.map((node) => {
    const id = freeId(node.id.replace(/_\d+$/, ""), taken);
    renamed.set(node.id, id);
    const position = snap({ x: (node.position?.x ?? 0) + offset, y: (node.position?.y ?? 0) + offset });
    return { ...node, id, position };
  });
  const known = state.definition.edges;
  const added = [];
  for (const edge of edges) {
    if (!renamed.has(edge.source) || !renamed.has(edge.target)) continue;
    added.push({
      ...edge,
      id: edgeId([...known, ...added]),
      source: renamed.get(edge.source),
      target: renamed.get(edge.target),
    });
  }
  commit({
    ...state.definition,
    nodes: [...state.definition.nodes, ...copies],
    edges: [...known, ...added],
  });
  publish({ selected: copies.map((node) => node.id), selectedEdges: [] });
}

function selection() {
  const chosen = new Set(state.selected);
  return {
    nodes: state.definition.nodes.filter((node) => chosen.has(node.id)),
    edges: state.definition.edges.filter((edge) => chosen.has(edge.source) && chosen.has(edge.target)),
  };
}

export const builder = {
  subscribe(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  state: () => state,
  kind: kindOf,
  setCatalog(kinds) {
    catalog = new Map(kinds.map((kind) => [`${kind.type}.${kind.subtype}`, kind]));
    publish({});
  },
  onSave(handler) {
    save = handler;
  },

  load({ agent_id: agentId, definition, revision, read_only: readOnly }) {
    clearTimeout(saveTimer);
    clearTimeout(answerTimer);
    inFlight = null;
    lastTag = null;
    const kept = readOnly ? null : restore(agentId, revision);
    const unsaved = kept !== null && JSON.stringify(kept) !== JSON.stringify(definition);
    publish({
      ...blank(),
      agentId,
      readOnly,
      revision,
      definition: { ...EMPTY, ...(unsaved ? kept : definition) },
      saved: unsaved ? "dirty" : "saved",
    });
    if (unsaved) scheduleSave(0);
  },
  acknowledge({ agent_id: agentId, status, revision }) {
    if (agentId !== state.agentId) return;
    clearTimeout(answerTimer);
    const sent = inFlight;
    inFlight = null;
    if (status === "saved") {
      const clean = sent === state.definition;
      publish({ revision, saved: clean ? "saved" : "dirty" });
      if (clean) localStorage.removeItem(backupKey(state.agentId));
      else {
        backup();
        scheduleSave(0);
      }
    } else publish({ saved: status });
  },
  /** Ends a conflict: keeps this copy on top of `revision`, the other side's latest. */
  overwrite(revision) {
    publish({ revision, saved: "dirty" });
    backup();
    scheduleSave(0);
  },
  discard() {
    localStorage.removeItem(backupKey(state.agentId));
  },
  flush,
  setProblems: (problems) => publish({ problems }),
  search: (query) => publish({ query }),

  select(nodes, edges = []) {
    if (nodes.join() === state.selected.join() && edges.join() === state.selectedEdges.join()) return;
    lastTag = null;
    publish({ selected: nodes, selectedEdges: edges });
  },
  selectAll: () => builder.select(state.definition.nodes.map((node) => node.id)),

  /** The canvas that is on the screen, for what needs its viewport. */
  attach(instance) {
    flow = instance;
  },
  fit: () => flow?.fitView({ padding: 0.12, maxZoom: 1, duration: 200 }),
  reveal(id) {
    if (!state.definition.nodes.some((node) => node.id === id)) return;
    builder.select([id]);
    flow?.fitView({ nodes: [{ id }], maxZoom: 1, duration: 200, padding: 0.5 });
  },
  tidy() {
    builder.move(arranged(state.definition));
    requestAnimationFrame(() => builder.fit());
  },
  insertAt(edge) {
    publish({ splitting: edge });
    document.getElementById("palette-search")?.focus();
  },
  /** Adds what was picked in the palette: on the edge being split, after the selected node, or in the middle. */
  place(name) {
    const [type, subtype] = name.split(".");
    if (state.splitting && type !== "trigger") {
      const edge = state.splitting;
      publish({ splitting: null });
      return builder.insert(edge, type, subtype);
    }
    const before = state.definition.nodes.find((node) => node.id === state.selected[0]);
    if (before && state.selected.length === 1 && type !== "trigger") {
      const used = new Set(
        state.definition.edges.filter((e) => e.source === before.id).map((e) => e.source_handle ?? "out"),
      );
      const free = handlesOf(kindOf(before), before).find((handle) => !used.has(handle));
      const after = free === undefined ? null : { source: before.id, sourceHandle: free };
      const position = { x: (before.position?.x ?? 0) + 300, y: (before.position?.y ?? 0) + used.size * 140 };
      return builder.add(type, subtype, position, after);
    }
    const pane = document.querySelector(".react-flow")?.getBoundingClientRect();
    const middle = pane && flow?.screenToFlowPosition({ x: pane.x + pane.width / 2, y: pane.y + pane.height / 2 });
    return builder.add(type, subtype, { x: (middle?.x ?? 0) - 110, y: (middle?.y ?? 0) - 30 });
  },

  move(positions) {
    const moved = state.definition.nodes.some((node) => {
      const next = positions.has(node.id) && snap(positions.get(node.id));
      return next && (next.x !== node.position?.x || next.y !== node.position?.y);
    });
    if (!moved) return;
    const nodes = state.definition.nodes.map((node) =>
      positions.has(node.id) ? { ...node, position: snap(positions.get(node.id)) } : node,
    );
    commit({ ...state.definition, nodes });
  },
  add(type, subtype, position, after = null) {
    const kind = catalog.get(`${type}.${subtype}`);
    if (!kind || state.readOnly) return;
    const taken = new Set(state.definition.nodes.map((node) => node.id));
    const node = {
      id: freeId(subtype, taken),
      type,
      subtype,
      label: kind.label,
      config: defaultsOf(kind),
      position: snap(position),
    };
    const edges = [...state.definition.edges];
    if (after && type !== "trigger") edges.push(edgeOf(edges, { ...after, target: node.id }));
    commit({ ...state.definition, nodes: [...state.definition.nodes, node], edges });
    publish({ selected: [node.id], selectedEdges: [] });
  },
  /** Puts a new node in the middle of an edge. */
  insert(edgeToSplit, type, subtype) {
    const edge = state.definition.edges.find((e) => e.id === edgeToSplit);
    const kind = catalog.get(`${type}.${subtype}`);
    const [from, to] = [edge?.source, edge?.target].map((id) => state.definition.nodes.find((n) => n.id === id));
    if (!kind || !from || !to) return;
    const taken = new Set(state.definition.nodes.map((node) => node.id));
    const position = snap({
      x: ((from.position?.x ?? 0) + (to.position?.x ?? 0)) / 2,
      y: ((from.position?.y ?? 0) + (to.position?.y ?? 0)) / 2 + 60,
    });
    const node = { id: freeId(subtype, taken), type, subtype, label: kind.label, config: defaultsOf(kind), position };
    const edges = state.definition.edges.map((e) => (e.id === edge.id ? { ...e, target: node.id } : e));
    edges.push(edgeOf(edges, { source: node.id, sourceHandle: handlesOf(kind, node)[0], target: edge.target }));
    commit({ ...state.definition, nodes: [...state.definition.nodes, node], edges });
    publish({ selected: [node.id], selectedEdges: [] });
  },
  connect(connection) {
    const { source, target } = connection;
    const handle = connection.sourceHandle && connection.sourceHandle !== "out" ? connection.sourceHandle : undefined;
    const there = state.definition.edges.some(
      (e) => e.source === source && e.target === target && e.source_handle === handle,
    );
    if (there || source === target) return;
    const edges = [...state.definition.edges, edgeOf(state.definition.edges, connection)];
    commit({ ...state.definition, edges });
  },
  remove(nodeIds, edgeIds) {
    const gone = new Set(nodeIds);
    const cut = new Set(edgeIds);
    if (!gone.size && !cut.size) return;
    commit({
      ...state.definition,
      nodes: state.definition.nodes.filter((node) => !gone.has(node.id)),
      edges: state.definition.edges.filter((e) => !cut.has(e.id) && !gone.has(e.source) && !gone.has(e.target)),
      groups: (state.definition.groups ?? []).map((g) => ({ ...g, nodes: g.nodes.filter((id) => !gone.has(id)) })),
    });
    publish({ selected: [], selectedEdges: [] });
  },
  removeSelected: () => builder.remove(state.selected, state.selectedEdges),
  duplicate() {
    const { nodes, edges } = selection();
    if (nodes.length) insertCopies(nodes, edges, 2 * GRID);
  },
  copyText() {
    const chosen = selection();
    return chosen.nodes.length ? JSON.stringify({ agentflow: chosen }) : null;
  },
  paste(text) {
    try {
      const { agentflow } = JSON.parse(text);
      if (!Array.isArray(agentflow?.nodes) || state.readOnly) return false;
      insertCopies(agentflow.nodes, agentflow.edges ?? [], 2 * GRID);
      return true;
    } catch {
      return false;
    }
  },
  undo: () => travel("past", "future"),
  redo: () => travel("future", "past"),

  rename: (id, label) => patchNode(id, (node) => ({ ...node, label }), `${id}.label`),
  setText: (id, name, text) => setConfig(id, name, text === "" ? undefined : text),
  setNumber: (id, name, text) => setConfig(id, name, parseNumber(text)),
  setChecked: (id, name, checked) => setConfig(id, name, checked, null),
  setJson(id, name, text) {
    if (text.trim() === "") return setConfig(id, name, undefined);
    try {
      return setConfig(id, name, JSON.parse(text));
    } catch {
      // Not JSON yet, or an expression: the text itself, which validation judges.
      return setConfig(id, name, text);
    }
  },
  setItem(id, name, index, text) {
    const items = [...(fieldValue(id, name) ?? [])];
    items[index] = text;
    setConfig(id, name, items, `${id}.${name}.${index}`);
  },
  addItem: (id, name) => setConfig(id, name, [...(fieldValue(id, name) ?? []), ""], null),
  removeItem: (id, name, index) =>
    setConfig(id, name, (fieldValue(id, name) ?? []).filter((_, i) => i !== index), null),
  setPair(id, name, index, text) {
    const entries = Object.entries(fieldValue(id, name) ?? {});
    const [key, old] = entries[index];
    entries[index] = [key, typeof old === "string" ? text : parseLike(text)];
    setConfig(id, name, Object.fromEntries(entries), `${id}.${name}.${index}`);
  },
  setKey(id, name, index, key) {
    const entries = Object.entries(fieldValue(id, name) ?? {});
    if (!key || entries[index]?.[0] === key || entries.some(([known]) => known === key)) return;
    entries[index] = [key, entries[index][1]];
    setConfig(id, name, Object.fromEntries(entries), null);
  },
  addPair(id, name) {
    const pairs = { ...(fieldValue(id, name) ?? {}) };
    let key = "name";
    for (let n = 2; key in pairs; n += 1) key = `name_${n}`;
    setConfig(id, name, { ...pairs, [key]: "" }, null);
  },
  removePair: (id, name, key) =>
    setConfig(
      id,
      name,
      Object.fromEntries(Object.entries(fieldValue(id, name) ?? {}).filter(([k]) => k !== key)),
      null,
    ),
  setOption(id, name, value) {
    patchNode(
      id,
      (node) => {
        const next = { ...node };
        if (value === undefined || value === false || value === "") delete next[name];
        else next[name] = value;
        return next;
      },
      `${id}.${name}`,
    );
  },
  setNumberOption: (id, name, text) => builder.setOption(id, name, parseNumber(text)),
  setRetries(id, text) {
    const count = parseNumber(text);
    patchNode(
      id,
      (node) => {
        const { retry, ...rest } = node;
        return count === undefined ? rest : { ...rest, retry: { ...retry, max_retries: count } };
      },
      `${id}.retry`,
    );
  },
  focusField(name) {
    lastField = name;
  },
  /** Puts a reference where the cursor was last, else at the end of the first text field. */
  insertReference(path) {
    const [id] = state.selected;
    const fields = view.inspector?.fields ?? [];
    const name = lastField ?? fields.find((f) => ["text", "textarea", "expression", "condition"].includes(f.widget))?.name;
    if (!id || !name) return;
    const element = document.getElementById(`field-${name}`);
    const current = fieldValue(id, name);
    const text = typeof current === "string" ? current : "";
    const at = element?.selectionStart ?? text.length;
    setConfig(id, name, text.slice(0, at) + path + text.slice(element?.selectionEnd ?? at), null);
  },
};

function paletteOf() {
  const needle = state.query.trim().toLowerCase();
  const groups = new Map(GROUPS.map((type) => [type, { type, kinds: [] }]));
  for (const kind of catalog.values()) {
    const text = `${kind.label} ${kind.help} ${kind.type} ${kind.subtype}`.toLowerCase();
    if (needle && !text.includes(needle)) continue;
    if (!groups.has(kind.type)) groups.set(kind.type, { type: kind.type, kinds: [] });
    groups.get(kind.type).kinds.push(kind);
  }
  return [...groups.values()].filter((group) => group.kinds.length);
}

function inspectorOf() {
  const node =
    state.selected.length === 1 ? state.definition.nodes.find((n) => n.id === state.selected[0]) : undefined;
  if (!node) return { id: "", count: state.selected.length, fields: [], references: [], problems: [] };
  const kind = kindOf(node);
  const problems = state.problems.filter((p) => p.node_id === node.id);
  return {
    id: node.id,
    count: 1,
    type: node.type,
    icon: kind?.icon ?? "",
    kind: kind?.label ?? `${node.type}.${node.subtype}`,
    help: kind?.help ?? "",
    label: node.label ?? "",
    fields: fieldsOf(kind, node, problems),
    references: referencesOf(state.definition, catalog, node.id),
    problems: problems.filter((p) => !p.field),
    disabled: node.disabled === true,
    on_error: node.on_error ?? "fail",
    retries: node.retry?.max_retries === undefined ? "" : String(node.retry.max_retries),
    timeout: node.timeout_seconds === undefined || node.timeout_seconds === null ? "" : String(node.timeout_seconds),
    read_only: state.readOnly,
  };
}

const SLICES = {
  palette: paletteOf,
  inspector: inspectorOf,
  query: () => state.query,
  selected: () => state.selected,
  selectedEdges: () => state.selectedEdges,
  problems: () => state.problems,
  status: () => ({
    saved: state.saved,
    can_undo: state.past.length > 0,
    can_redo: state.future.length > 0,
    selected: state.selected.length,
    nodes: state.definition.nodes.length,
    splitting: state.splitting !== null,
    read_only: state.readOnly,
  }),
  definition: () => state.definition,
};

function slice(name) {
  if (!(name in view)) view[name] = SLICES[name]();
  return view[name];
}

const FIRST = Object.fromEntries(Object.keys(SLICES).map((name) => [name, SLICES[name]()]));

/** One part of what the builder shows: a name out of SLICES. */
export function useBuilder(name) {
  return useSyncExternalStore(builder.subscribe, () => slice(name), () => FIRST[name]);
}

/** React Flow's nodes and edges of a definition. */
export function graphOf(definition, problems) {
  const nodes = definition.nodes.map((node, index) => {
    const kind = kindOf(node);
    const found = problems.filter((p) => p.node_id === node.id);
    return {
      id: node.id,
      type: "agent",
      position: node.position ?? { x: index * 280, y: 0 },
      data: {
        label: node.label || kind?.label || node.id,
        kind: kind?.label ?? `${node.type}.${node.subtype}`,
        icon: kind?.icon ?? "",
        type: node.type,
        summary: summaryOf(kind, node),
        handles: handlesOf(kind, node),
        disabled: node.disabled === true,
        problems: found.length,
        severity: found.some((p) => p.severity !== "warning") ? "error" : "warning",
        problem_text: found.map((p) => p.message).join("\n"),
      },
      ariaLabel: `${node.label || kind?.label || node.id}, ${kind?.label ?? node.subtype}`,
    };
  });
  const handles = new Map(nodes.map((node) => [node.id, node.data.handles]));
  const edges = definition.edges
    .filter((edge) => handles.has(edge.source) && handles.has(edge.target))
    .map((edge) => {
      const sourceHandle = edge.source_handle ?? "out";
      return {
        id: edge.id,
        type: "flow",
        source: edge.source,
        target: edge.target,
        sourceHandle: handles.get(edge.source).includes(sourceHandle) ? sourceHandle : null,
        label: edge.label,
      };
    });
  return { nodes, edges };
}
