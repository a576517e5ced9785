// What needs the canvas that is on the screen.

import { add, insert, move, select } from "./edits";
import { arranged } from "./layout";
import { handlesOf } from "./schema";
import { kindOf, nodeOf, publish, state } from "./store";

export const FIT = { padding: 0.12, minZoom: 0.55, maxZoom: 1 };

let flow = null;

export function attach(instance) {
  flow = instance;
}

export const fit = () => flow?.fitView({ ...FIT, duration: 200 });

export function reveal(id) {
  if (!nodeOf(id)) return;
  select([id]);
  flow?.fitView({ nodes: [{ id }], maxZoom: 1, duration: 200, padding: 0.5 });
}

export function tidy() {
  move(arranged(state.definition));
  requestAnimationFrame(() => fit());
}

export function insertAt(edge) {
  publish({ splitting: edge, adding: true });
  document.getElementById("palette-search")?.focus();
}

/** Adds what was picked in the palette: on the edge being split, after the selected node, or in the middle. */
export function place(name) {
  const [type, subtype] = name.split(".");
  publish({ adding: false });
  if (state.splitting && type !== "trigger") {
    const edge = state.splitting;
    publish({ splitting: null });
    return insert(edge, type, subtype);
  }
  const before = nodeOf(state.selected[0]);
  if (before && state.selected.length === 1 && type !== "trigger") {
    const used = new Set(
      state.definition.edges.filter((e) => e.source === before.id).map((e) => e.source_handle ?? "out"),
    );
    const free = handlesOf(kindOf(before), before).find((handle) => !used.has(handle));
    const after = free === undefined ? null : { source: before.id, sourceHandle: free };
    const position = { x: (before.position?.x ?? 0) + 300, y: (before.position?.y ?? 0) + used.size * 140 };
    return add(type, subtype, position, after);
  }
  const pane = document.querySelector(".react-flow")?.getBoundingClientRect();
  const middle = pane && flow?.screenToFlowPosition({ x: pane.x + pane.width / 2, y: pane.y + pane.height / 2 });
  return add(type, subtype, { x: (middle?.x ?? 0) - 110, y: (middle?.y ?? 0) - 30 });
}
