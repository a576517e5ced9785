// What the parts of the builder show, each a slice of the state.

import { useSyncExternalStore } from "react";
import { fieldsOf, referencesOf } from "./schema";
import { catalog, kindOf, nodeOf, state, subscribe } from "./store";

const GROUPS = ["trigger", "ai", "action", "logic", "human"];
const TEXTUAL = new Set(["text", "textarea", "expression", "condition", "code"]);

const takesText = (field) => TEXTUAL.has(field.widget) && !field.verbatim;

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
  const node = state.selected.length === 1 ? nodeOf(state.selected[0]) : undefined;
  if (!node) return { id: "", count: state.selected.length, fields: [], rare: [], references: [], problems: [] };
  const kind = kindOf(node);
  const problems = state.problems.filter((p) => p.node_id === node.id);
  const fields = fieldsOf(kind, node, problems);
  return {
    id: node.id,
    count: 1,
    type: node.type,
    subtype: node.subtype,
    icon: kind?.icon ?? "",
    kind: kind?.label ?? `${node.type}.${node.subtype}`,
    help: kind?.help ?? "",
    label: node.label ?? "",
    fields: fields.filter((field) => !field.rare),
    rare: fields.filter((field) => field.rare),
    references: referencesOf(state.definition, catalog, state.sample, node.id),
    reference_field: (fields.find(takesText) ?? fields.find((field) => field.widget === "key_value"))?.name ?? "",
    secrets: kind?.secrets === true,
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
    adding: state.adding,
    read_only: state.readOnly,
  }),
  definition: () => state.definition,
};

let shown = null;
let view = {};

function slice(name) {
  if (shown !== state) {
    shown = state;
    view = {};
  }
  if (!(name in view)) view[name] = SLICES[name]();
  return view[name];
}

const FIRST = Object.fromEntries(Object.keys(SLICES).map((name) => [name, SLICES[name]()]));

/** One part of what the builder shows: a name out of SLICES. */
export function useBuilder(name) {
  return useSyncExternalStore(subscribe, () => slice(name), () => FIRST[name]);
}
