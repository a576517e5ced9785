import { createElement as h, useState } from "react";

const OPEN_DEPTH = 2;
const LONG = 400;

function Scalar({ value }) {
  const [whole, setWhole] = useState(false);
  if (typeof value !== "string") {
    const tone = value === null ? "text-gray-11" : typeof value === "number" ? "text-blue-11" : "text-violet-11";
    return h("span", { className: tone }, String(value));
  }
  const cut = !whole && value.length > LONG;
  return h(
    "span",
    { className: "text-green-11 whitespace-pre-wrap break-words" },
    JSON.stringify(cut ? value.slice(0, LONG) : value).replaceAll("\\n", "\n"),
    cut &&
      h(
        "button",
        { type: "button", className: "ml-1 text-accent-11 underline", onClick: () => setWhole(true) },
        `${value.length - LONG} more characters`,
      ),
  );
}

function Branch({ name, value, depth }) {
  const [open, setOpen] = useState(depth < OPEN_DEPTH);
  const label = name === undefined ? null : h("span", { className: "text-gray-11" }, `${name}: `);
  if (value === null || typeof value !== "object") {
    return h("div", { className: "pl-4" }, label, h(Scalar, { value }));
  }
  const entries = Object.entries(value);
  const [left, right] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (!entries.length) return h("div", { className: "pl-4" }, label, left + right);
  return h(
    "div",
    { className: depth ? "pl-4" : "" },
    h(
      "button",
      {
        type: "button",
        className: "-ml-3 min-h-6 text-left rounded",
        "aria-expanded": open,
        onClick: () => setOpen(!open),
      },
      h("span", { className: "inline-block w-3 text-gray-11" }, open ? "▾" : "▸"),
      label,
      open ? left : h("span", { className: "text-gray-11" }, `${left} ${entries.length} ${right}`),
    ),
    open && entries.map(([key, child]) => h(Branch, { key, name: key, value: child, depth: depth + 1 })),
    open && h("div", null, right),
  );
}

/** A value as a tree that unfolds; copying gives the JSON. */
export function JsonView({ value, label }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(plain ? shown : JSON.stringify(value, null, 2));
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  const plain = value === null || typeof value !== "object";
  const shown = typeof value === "string" ? value : JSON.stringify(value);
  return h(
    "div",
    { className: "group/json relative rounded-md border border-gray-a4 bg-gray-a2" },
    h(
      "div",
      {
        className: `af-scroll overflow-auto max-h-96 py-2 pr-3 text-gray-12 ${
          plain ? "pl-3 text-base whitespace-pre-wrap break-words" : "pl-5 font-mono text-sm"
        }`,
        tabIndex: 0,
        role: "group",
        "aria-label": label,
      },
      plain ? shown : h(Branch, { value, depth: 0 }),
    ),
    h(
      "button",
      {
        type: "button",
        onClick: copy,
        className:
          "absolute top-1 right-1 h-6 px-1.5 rounded text-xs bg-panel border border-gray-a5 text-gray-11 opacity-0 " +
          "group-hover/json:opacity-100 focus-visible:opacity-100",
      },
      copied ? "Copied" : "Copy",
    ),
  );
}
