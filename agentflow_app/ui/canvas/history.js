// Changes of the definition, each of which can be undone.

import { backup, scheduleSave } from "./saving";
import { publish, state } from "./store";

const DEPTH = 200;

let lastTag = null;

/** Ends the step of undo that was being added to. */
export function settle() {
  lastTag = null;
}

function show(patch) {
  publish({ ...patch, saved: state.saved === "conflict" ? "conflict" : "dirty" });
  backup();
  scheduleSave();
}

/** Makes `definition` current. Changes in a row with the same `tag` are one step of undo. */
export function commit(definition, tag = null) {
  if (state.readOnly || definition === state.definition) return;
  const merged = tag !== null && tag === lastTag;
  lastTag = tag;
  const past = merged ? state.past : [...state.past, state.definition].slice(-DEPTH);
  show({ definition, past, future: [] });
}

function travel(from, to) {
  const target = state[from].at(-1);
  if (!target || state.readOnly) return;
  const ids = new Set(target.nodes.map((node) => node.id));
  settle();
  show({
    definition: target,
    [from]: state[from].slice(0, -1),
    [to]: [...state[to], state.definition],
    selected: state.selected.filter((id) => ids.has(id)),
    selectedEdges: [],
  });
}

export const undo = () => travel("past", "future");
export const redo = () => travel("future", "past");
