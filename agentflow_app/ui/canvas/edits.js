// What one does to a graph: add, connect, move, remove, copy.

import { commit, settle } from "./history";
import { handlesOf } from "./schema";
import { kindOf, nodeOf, publish, state } from "./store";

const GRID = 20;

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

export function select(nodes, edges = []) {
  if (nodes.join() === state.selected.join() && edges.join() === state.selectedEdges.join()) return;
  settle();
  publish({ selected: nodes, selectedEdges: edges });
}

export const selectAll = () => select(state.definition.nodes.map((node) => node.id));

export function move(positions) {
  const moved = state.definition.nodes.some((node) => {
    const next = positions.has(node.id) && snap(positions.get(node.id));
    return next && (next.x !== node.position?.x || next.y !== node.position?.y);
  });
  if (!moved) return;
  const nodes = state.definition.nodes.map((node) =>
    positions.has(node.id) ? { ...node, position: snap(positions.get(node.id)) } : node,
  );
  commit({ ...state.definition, nodes });
}

export function add(type, subtype, position, after = null) {
  const kind = kindOf({ type, subtype });
  if (!kind || state.readOnly) return;
  const taken = new Set(state.definition.nodes.map((node) => node.id));
  const node = {
    id: freeId(subtype, taken),
    type,
    subtype,
    label: kind.label,
    config: {},
    position: snap(position),
  };
  const edges = [...state.definition.edges];
  if (after && type !== "trigger") edges.push(edgeOf(edges, { ...after, target: node.id }));
  commit({ ...state.definition, nodes: [...state.definition.nodes, node], edges });
  publish({ selected: [node.id], selectedEdges: [] });
}

/** Puts a new node in the middle of an edge. */
export function insert(edgeToSplit, type, subtype) {
  const edge = state.definition.edges.find((e) => e.id === edgeToSplit);
  const kind = kindOf({ type, subtype });
  const [from, to] = [edge?.source, edge?.target].map((id) => state.definition.nodes.find((n) => n.id === id));
  if (!kind || !from || !to) return;
  const taken = new Set(state.definition.nodes.map((node) => node.id));
  const position = snap({
    x: ((from.position?.x ?? 0) + (to.position?.x ?? 0)) / 2,
    y: ((from.position?.y ?? 0) + (to.position?.y ?? 0)) / 2 + 60,
  });
  const node = { id: freeId(subtype, taken), type, subtype, label: kind.label, config: {}, position };
  const edges = state.definition.edges.map((e) => (e.id === edge.id ? { ...e, target: node.id } : e));
  edges.push(edgeOf(edges, { source: node.id, sourceHandle: handlesOf(kind, node)[0], target: edge.target }));
  commit({ ...state.definition, nodes: [...state.definition.nodes, node], edges });
  publish({ selected: [node.id], selectedEdges: [] });
}

export function connect(connection) {
  const { source, target } = connection;
  const handle = connection.sourceHandle && connection.sourceHandle !== "out" ? connection.sourceHandle : undefined;
  const there = state.definition.edges.some(
    (e) => e.source === source && e.target === target && e.source_handle === handle,
  );
  if (there || source === target) return;
  const edges = [...state.definition.edges, edgeOf(state.definition.edges, connection)];
  commit({ ...state.definition, edges });
}

export function remove(nodeIds, edgeIds) {
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
}

export const removeSelected = () => remove(state.selected, state.selectedEdges);
export function duplicate() {
  const { nodes, edges } = selection();
  if (nodes.length) insertCopies(nodes, edges, 2 * GRID);
}

export function copyText() {
  const chosen = selection();
  return chosen.nodes.length ? JSON.stringify({ agentflow: chosen }) : null;
}

export function paste(text) {
  try {
    const { agentflow } = JSON.parse(text);
    if (!Array.isArray(agentflow?.nodes) || state.readOnly) return false;
    insertCopies(agentflow.nodes, agentflow.edges ?? [], 2 * GRID);
    return true;
  } catch {
    return false;
  }
}
