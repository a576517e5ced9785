import { createElement as h, useCallback, useEffect, useMemo, useRef, useState } from "react";
import {
  Background,
  BaseEdge,
  Controls,
  EdgeLabelRenderer,
  MiniMap,
  ReactFlow,
  ReactFlowProvider,
  applyEdgeChanges,
  applyNodeChanges,
  getBezierPath,
  useReactFlow,
} from "@xyflow/react";
import { builder, useBuilder } from "./builder";
import { graphOf } from "./graph";
import { FIT } from "./viewport";

export const DRAG_TYPE = "application/agentflow-node";

const DONE = new Set(["completed", "failed"]);

const TOOL =
  "flex items-center justify-center w-6 h-6 rounded-full border border-gray-a6 bg-panel text-gray-11 " +
  "shadow-card hover:text-gray-12 hover:border-gray-a8 pointer-events-auto";

function FlowEdge({ id, sourceX, sourceY, sourcePosition, targetX, targetY, targetPosition, label, data, selected }) {
  const [shown, setShown] = useState(false);
  const [path, x, y] = getBezierPath({ sourceX, sourceY, sourcePosition, targetX, targetY, targetPosition });
  const tool = (symbol, name, run) =>
    h("button", { type: "button", className: TOOL, "aria-label": name, title: name, onClick: run }, symbol);
  return h(
    "g",
    { onMouseEnter: () => setShown(true), onMouseLeave: () => setShown(false) },
    h(BaseEdge, { id, path, interactionWidth: 24 }),
    h(
      EdgeLabelRenderer,
      null,
      h(
        "div",
        {
          className: "absolute flex items-center gap-1 text-xs text-gray-11 pointer-events-none nodrag nopan",
          style: { transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` },
        },
        label && h("span", { className: "px-1 rounded bg-gray-2" }, label),
        !data.readOnly &&
          h(
            "span",
            { className: `af-edge-tools flex gap-1 ${shown || selected ? "shown" : ""}` },
            tool("+", "Insert a node here", () => builder.insertAt(id)),
            tool("×", "Remove this connection", () => builder.remove([], [id])),
          ),
      ),
    ),
  );
}

const EDGE_TYPES = { flow: FlowEdge };

function edgeClass(edge, statuses) {
  const from = statuses[edge.source];
  const to = statuses[edge.target];
  if (!from && !to) return "";
  if (to?.status === "running" || to?.status === "retrying") return "running";
  if (to?.status === "skipped" || from?.status === "skipped") return "dead";
  return DONE.has(from?.status) && to ? "live" : "";
}

/** Local nodes that follow `graph` but keep what only the canvas knows: measures and a drag in progress. */
function useFollowed(graph, selected, selectedEdges) {
  const [nodes, setNodes] = useState([]);
  const [edges, setEdges] = useState([]);
  useEffect(() => {
    const chosen = new Set(selected);
    setNodes((current) => {
      const known = new Map(current.map((node) => [node.id, node]));
      return graph.nodes.map((node) => {
        const old = known.get(node.id);
        const position = old?.dragging ? old.position : node.position;
        return { ...old, ...node, position, selected: chosen.has(node.id) };
      });
    });
  }, [graph.nodes, selected]);
  useEffect(() => {
    const chosen = new Set(selectedEdges);
    setEdges(graph.edges.map((edge) => ({ ...edge, selected: chosen.has(edge.id) })));
  }, [graph.edges, selectedEdges]);
  return [nodes, setNodes, edges, setEdges];
}

const typing = (target) => target?.closest?.("input, textarea, select, [contenteditable], [role=dialog]");

function useShortcuts() {
  useEffect(() => {
    const onKey = (event) => {
      const command = event.metaKey || event.ctrlKey;
      const key = event.key.toLowerCase();
      if (command && key === "s") {
        event.preventDefault();
        builder.flush();
        return;
      }
      if (typing(event.target)) return;
      if (command && key === "z") event.shiftKey ? builder.redo() : builder.undo();
      else if (command && key === "y") builder.redo();
      else if (command && key === "d") builder.duplicate();
      else if (command && key === "a") builder.selectAll();
      else if (key === "delete" || key === "backspace") builder.removeSelected();
      else if (key === "/" && !command) document.getElementById("palette-search")?.focus();
      else return;
      event.preventDefault();
    };
    const onCopy = (event) => {
      const text = typing(event.target) || String(window.getSelection()) ? null : builder.copyText();
      if (!text) return;
      event.clipboardData.setData("text/plain", text);
      event.preventDefault();
      if (event.type === "cut") builder.removeSelected();
    };
    const onPaste = (event) => {
      if (typing(event.target)) return;
      if (builder.paste(event.clipboardData.getData("text/plain"))) event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    document.addEventListener("copy", onCopy);
    document.addEventListener("cut", onCopy);
    document.addEventListener("paste", onPaste);
    return () => {
      document.removeEventListener("keydown", onKey);
      document.removeEventListener("copy", onCopy);
      document.removeEventListener("cut", onCopy);
      document.removeEventListener("paste", onPaste);
    };
  }, []);
}

/** Keeps the graph in view when its pane changes size, until someone has chosen a view of their own. */
function useRefit(pane, flow) {
  const own = useRef(false);
  useEffect(() => {
    let timer = null;
    const observer = new ResizeObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (!own.current) flow.fitView({ ...FIT, duration: 150 });
      }, 60);
    });
    if (pane.current) observer.observe(pane.current);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
    };
  }, [flow, pane]);
  const claim = useCallback(() => {
    own.current = true;
  }, []);
  // Moves without an event are ours, not a person's.
  const onMoveStart = useCallback((event) => event && claim(), [claim]);
  const refit = useCallback(
    (anew = false) => {
      if (anew) own.current = false;
      setTimeout(() => own.current || flow.fitView({ ...FIT, duration: anew ? 0 : 150 }), 60);
    },
    [flow],
  );
  return { onMoveStart, claim, refit };
}

function useLeaving() {
  useEffect(() => {
    const onLeave = (event) => {
      builder.flush();
      // What is not saved yet is kept in the browser; only what waits for a decision is worth a question.
      if (["failed", "conflict"].includes(builder.state().saved)) event.preventDefault();
    };
    window.addEventListener("beforeunload", onLeave);
    return () => {
      window.removeEventListener("beforeunload", onLeave);
      builder.flush();
    };
  }, []);
}

/** A selection after what a person picked and unpicked. What we select ourselves is not reported back. */
function picked(selected, picks) {
  const chosen = new Set(selected);
  for (const { id, selected: added } of picks) added ? chosen.add(id) : chosen.delete(id);
  return [...chosen];
}

function Editor({ draft, ready, sample, ack, problems, statuses, node, colorMode, onSave }) {
  const flow = useReactFlow();
  const definition = useBuilder("definition");
  const selected = useBuilder("selected");
  const selectedEdges = useBuilder("selectedEdges");
  const found = useBuilder("problems");
  const { read_only: readOnly } = useBuilder("status");
  const nodeTypes = useMemo(() => ({ agent: node }), [node]);
  const graph = useMemo(() => graphOf(definition, found), [definition, found]);
  const [nodes, setNodes, edges, setEdges] = useFollowed(graph, selected, selectedEdges);
  const painted = useMemo(
    () => edges.map((edge) => ({ ...edge, className: edgeClass(edge, statuses), data: { readOnly } })),
    [edges, statuses, readOnly],
  );
  const pane = useRef(null);
  const loaded = useRef("");
  const { onMoveStart, claim, refit } = useRefit(pane, flow);
  useShortcuts();
  useLeaving();

  useEffect(() => builder.onSave(onSave), [onSave]);
  useEffect(() => {
    builder.attach(flow);
    return () => builder.attach(null);
  }, [flow]);
  useEffect(() => {
    // Before it is ready the page shows what it was left with, which may be long out of date.
    if (!ready || loaded.current === draft.key) return;
    loaded.current = draft.key;
    builder.load(draft);
    refit(true);
    // A draft is loaded once per `key`; its other fields never change without it.
  }, [ready, draft.key, refit]);
  useEffect(() => {
    builder.acknowledge(ack);
  }, [ack.request]);
  useEffect(() => builder.setProblems(problems), [problems]);
  useEffect(() => builder.setSample(sample), [sample]);
  useEffect(() => refit(), [definition.nodes.length, refit]);

  const onNodesChange = useCallback(
    (changes) => {
      setNodes((current) => applyNodeChanges(changes, current));
      const picks = changes.filter((change) => change.type === "select");
      if (picks.length) builder.select(picked(builder.state().selected, picks), builder.state().selectedEdges);
      const settled = changes.filter((change) => change.type === "position" && !change.dragging);
      if (settled.length) {
        builder.move(new Map(settled.map((c) => [c.id, c.position ?? flow.getNode(c.id).position])));
      }
    },
    [flow, setNodes],
  );
  const onEdgesChange = useCallback(
    (changes) => {
      setEdges((current) => applyEdgeChanges(changes, current));
      const picks = changes.filter((change) => change.type === "select");
      if (picks.length) builder.select(builder.state().selected, picked(builder.state().selectedEdges, picks));
    },
    [setEdges],
  );
  const onDrop = useCallback(
    (event) => {
      const name = event.dataTransfer.getData(DRAG_TYPE);
      if (!name) return;
      event.preventDefault();
      claim();
      const { x, y } = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
      builder.add(...name.split("."), { x: x - 110, y: y - 30 });
    },
    [flow, claim],
  );

  return h(
    ReactFlow,
    {
      nodes,
      edges: painted,
      nodeTypes,
      edgeTypes: EDGE_TYPES,
      colorMode,
      onNodesChange,
      onEdgesChange,
      onMoveStart,
      ref: pane,
      onConnect: builder.connect,
      onDrop,
      onDragOver: (event) => event.preventDefault(),
      nodesDraggable: !readOnly,
      nodesConnectable: !readOnly,
      deleteKeyCode: null,
      multiSelectionKeyCode: ["Shift", "Meta", "Control"],
      selectionKeyCode: "Shift",
      connectionRadius: 30,
      snapToGrid: true,
      snapGrid: [20, 20],
      minZoom: 0.2,
      fitView: true,
      fitViewOptions: FIT,
      proOptions: { hideAttribution: true },
    },
    h(Background, { gap: 20, size: 1.5 }),
    h(Controls, { showInteractive: false, position: "bottom-left" }),
    nodes.length > 8 && h(MiniMap, { pannable: true, zoomable: true, position: "bottom-right" }),
  );
}

/** The builder's canvas. `draft` is loaded when its key changes; `onSave` gets what has settled. */
export function FlowEditor(props) {
  const { catalog } = props;
  useMemo(() => builder.setCatalog(catalog), [catalog]);
  return h(ReactFlowProvider, null, h(Editor, props));
}

function Viewer({ definition, statuses, node, selected, colorMode, onSelect }) {
  const flow = useReactFlow();
  const nodeTypes = useMemo(() => ({ agent: node }), [node]);
  const graph = useMemo(() => graphOf({ nodes: [], edges: [], ...definition }, []), [definition]);
  const chosen = useMemo(() => (selected ? [selected] : []), [selected]);
  const none = useRef([]);
  const pane = useRef(null);
  const { onMoveStart } = useRefit(pane, flow);
  const [nodes, setNodes, edges] = useFollowed(graph, chosen, none.current);
  const painted = useMemo(
    () => edges.map((edge) => ({ ...edge, className: edgeClass(edge, statuses), data: { readOnly: true } })),
    [edges, statuses],
  );
  useEffect(() => {
    const timer = setTimeout(() => flow.fitView(FIT), 60);
    return () => clearTimeout(timer);
  }, [graph, flow]);
  return h(
    ReactFlow,
    {
      nodes,
      edges: painted,
      nodeTypes,
      edgeTypes: EDGE_TYPES,
      colorMode,
      onNodesChange: (changes) => setNodes((current) => applyNodeChanges(changes, current)),
      ref: pane,
      onMoveStart,
      onNodeClick: (_, clicked) => onSelect(clicked.id),
      nodesDraggable: false,
      nodesConnectable: false,
      edgesFocusable: false,
      deleteKeyCode: null,
      minZoom: 0.2,
      fitView: true,
      fitViewOptions: FIT,
      preventScrolling: false,
      zoomOnScroll: false,
      proOptions: { hideAttribution: true },
    },
    h(Background, { gap: 20, size: 1.5 }),
    h(Controls, { showInteractive: false, position: "bottom-left" }),
  );
}

/** A run's graph, to look at. */
export function FlowViewer(props) {
  const { catalog } = props;
  useMemo(() => builder.setCatalog(catalog), [catalog]);
  return h(ReactFlowProvider, null, h(Viewer, props));
}
