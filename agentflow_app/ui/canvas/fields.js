// What one types into the inspector.

import { commit } from "./history";
import { parseLike, parseNumber } from "./schema";
import { kindOf, nodeOf, state } from "./store";

const valueOf = (id, name) => nodeOf(id)?.config?.[name];

function patchNode(id, change, tag) {
  const nodes = state.definition.nodes.map((node) => (node.id === id ? change(node) : node));
  commit({ ...state.definition, nodes }, tag);
}

function setConfig(id, name, value, tag = `${id}.${name}`) {
  const change = (node) => {
    const config = { ...node.config };
    if (value === undefined) delete config[name];
    else config[name] = value;
    return { ...node, config };
  };
  patchNode(id, change, tag);
}

export const rename = (id, label) => patchNode(id, (node) => ({ ...node, label }), `${id}.label`);
export const setText = (id, name, text) => setConfig(id, name, text === "" ? undefined : text);
export const setNumber = (id, name, text) => setConfig(id, name, parseNumber(text));
export const setChecked = (id, name, checked) => setConfig(id, name, checked, null);

export function setJson(id, name, text) {
  if (text.trim() === "") return setConfig(id, name, undefined);
  try {
    return setConfig(id, name, JSON.parse(text));
  } catch {
    // Not JSON yet, or an expression: the text itself, which validation judges.
    return setConfig(id, name, text);
  }
}

const itemsOf = (id, name) => (Array.isArray(valueOf(id, name)) ? [...valueOf(id, name)] : []);

/** An item is its name alone, as long as it has no description. */
function setPart(id, name, index, part) {
  const items = itemsOf(id, name);
  const old = items[index] && typeof items[index] === "object" ? items[index] : { name: items[index] ?? "" };
  const { description, ...rest } = { ...old, ...part };
  items[index] = description ? { ...rest, description } : rest.name;
  setConfig(id, name, items, `${id}.${name}.${index}.${Object.keys(part)}`);
}

export const setItem = (id, name, index, text) => setPart(id, name, index, { name: text });
export const setDescription = (id, name, index, description) => setPart(id, name, index, { description });

export const addItem = (id, name) => setConfig(id, name, [...itemsOf(id, name), ""], null);
export const removeItem = (id, name, index) =>
  setConfig(
    id,
    name,
    itemsOf(id, name).filter((_, place) => place !== index),
    null,
  );

function pairsOf(id, name) {
  const value = valueOf(id, name);
  return value && typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : [];
}

export function setPair(id, name, index, text) {
  const pairs = pairsOf(id, name);
  const [key, old] = pairs[index];
  pairs[index] = [key, typeof old === "string" ? text : parseLike(text)];
  setConfig(id, name, Object.fromEntries(pairs), `${id}.${name}.${index}`);
}

export function setKey(id, name, index, key) {
  const pairs = pairsOf(id, name);
  if (!key || pairs[index]?.[0] === key || pairs.some(([known]) => known === key)) return;
  pairs[index] = [key, pairs[index][1]];
  setConfig(id, name, Object.fromEntries(pairs), null);
}

export function addPair(id, name) {
  const pairs = pairsOf(id, name);
  const known = new Set(pairs.map(([key]) => key));
  let key = "name";
  for (let n = 2; known.has(key); n += 1) key = `name_${n}`;
  setConfig(id, name, Object.fromEntries([...pairs, [key, ""]]), null);
}

export const removePair = (id, name, key) =>
  setConfig(id, name, Object.fromEntries(pairsOf(id, name).filter(([known]) => known !== key)), null);

export function setOption(id, name, value) {
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
}

export const setNumberOption = (id, name, text) => setOption(id, name, parseNumber(text));

export function setRetries(id, text) {
  const count = parseNumber(text);
  patchNode(
    id,
    (node) => {
      const { retry, ...rest } = node;
      return count === undefined ? rest : { ...rest, retry: { ...retry, max_retries: count } };
    },
    `${id}.retry`,
  );
}

/** A new line begins as far in as the one before, and four further after a colon. */
export function keepIndent(id, name, event) {
  const { key, shiftKey, target } = event;
  if (key !== "Enter" || shiftKey || event.nativeEvent.isComposing) return;
  const line = target.value.slice(0, target.selectionStart).split("\n").at(-1);
  const indent = line.match(/^[ \t]*/)[0] + (line.trimEnd().endsWith(":") ? "    " : "");
  if (!indent) return;
  event.preventDefault();
  target.setRangeText(`\n${indent}`, target.selectionStart, target.selectionEnd, "end");
  setText(id, name, target.value);
}

let focused = null;

export function focusField(name) {
  focused = name;
}

function addReference(id, name, path) {
  const pairs = pairsOf(id, name);
  const known = new Set(pairs.map(([key]) => key));
  const last = path.match(/(\w+)\W*$/)?.[1] ?? "name";
  let key = last;
  for (let n = 2; known.has(key); n += 1) key = `${last}_${n}`;
  setConfig(id, name, Object.fromEntries([...pairs, [key, path]]), null);
}

/** Puts a reference where the cursor was last, else at the end of `fallback`; names get one more. */
export function insertReference(path, fallback) {
  const [id] = state.selected;
  if (!id) return;
  const schema = kindOf(nodeOf(id))?.config_schema?.properties ?? {};
  const element = focused && !schema[focused]?.verbatim && document.getElementById(`field-${focused}`);
  const name = element ? focused : fallback;
  if (!name) return;
  if (schema[name]?.widget === "key_value") return addReference(id, name, path);
  const current = valueOf(id, name);
  const text = typeof current === "string" ? current : "";
  const start = element?.selectionStart ?? text.length;
  const end = element?.selectionEnd ?? text.length;
  setConfig(id, name, text.slice(0, start) + path + text.slice(end), null);
}
