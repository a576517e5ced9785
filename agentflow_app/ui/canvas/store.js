// What the builder shows. The definition here is the one truth while someone edits it.

export const EMPTY = { schema_version: 1, nodes: [], edges: [], notes: [], groups: [] };

export const blank = () => ({
  agentId: "",
  readOnly: true,
  definition: EMPTY,
  revision: 0,
  theirs: 0,
  selected: [],
  selectedEdges: [],
  past: [],
  future: [],
  saved: "loading",
  problems: [],
  query: "",
  sample: "",
  splitting: null,
  adding: false,
});

/** Replaced whole at each change, so that its identity tells whether anything did. */
export let state = blank();
export let catalog = new Map();
const listeners = new Set();

export function publish(patch) {
  state = { ...state, ...patch };
  listeners.forEach((listener) => listener());
}

export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function setCatalog(kinds) {
  catalog = new Map(kinds.map((kind) => [`${kind.type}.${kind.subtype}`, kind]));
  publish({});
}

export const kindOf = (node) => catalog.get(`${node.type}.${node.subtype}`);
export const nodeOf = (id) => state.definition.nodes.find((node) => node.id === id);
