// A definition as React Flow draws it.

import { handlesOf, summaryOf } from "./schema";
import { kindOf } from "./store";

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
