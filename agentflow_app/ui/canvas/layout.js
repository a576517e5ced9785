// Puts a definition's nodes in columns by their distance from the start, in rows by where their inputs stand.

const COLUMN = 300;
const ROW = 140;

export function arranged(definition) {
  const { nodes, edges } = definition;
  const incoming = new Map(nodes.map((node) => [node.id, []]));
  for (const edge of edges) if (incoming.has(edge.source)) incoming.get(edge.target)?.push(edge.source);
  const depth = new Map();
  const measure = (id, path) => {
    if (depth.has(id) || path.has(id)) return depth.get(id) ?? 0;
    path.add(id);
    const before = incoming.get(id).map((source) => measure(source, path) + 1);
    path.delete(id);
    depth.set(id, Math.max(0, ...before));
    return depth.get(id);
  };
  nodes.forEach((node) => measure(node.id, new Set()));

  const columns = [];
  for (const node of nodes) (columns[depth.get(node.id)] ??= []).push(node.id);
  const rowOf = new Map();
  columns.forEach((ids) => {
    const wish = (id) => {
      const rows = incoming.get(id).map((source) => rowOf.get(source) ?? 0);
      return rows.length ? rows.reduce((sum, row) => sum + row, 0) / rows.length : 0;
    };
    const sorted = ids.map((id, index) => ({ id, index, wish: wish(id) })).sort((a, b) => a.wish - b.wish || a.index - b.index);
    const middle = sorted.reduce((sum, entry) => sum + entry.wish, 0) / sorted.length;
    sorted.forEach((entry, index) => rowOf.set(entry.id, middle + index - (sorted.length - 1) / 2));
  });
  return new Map(nodes.map((node) => [node.id, { x: depth.get(node.id) * COLUMN, y: rowOf.get(node.id) * ROW }]));
}
