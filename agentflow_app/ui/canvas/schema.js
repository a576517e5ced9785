// What a node kind's catalogue entry means for the canvas: its handles, its summary, its form.

/** The handles a node offers: those its config names, the kind's own, and `error` where failures branch. */
export function handlesOf(kind, node) {
  const named = node.config?.[kind?.handles_from];
  const names = [...(Array.isArray(named) ? named : []), ...(kind?.handles ?? ["out"])];
  if (node.on_error === "branch") names.push("error");
  return [...new Set(names.filter((name) => typeof name === "string" && name))];
}

const SUMMARY_WIDGETS = new Set(["text", "textarea", "expression", "condition", "model", "cases", "duration", "number"]);

/** One line that tells what the node is set to do. */
export function summaryOf(kind, node) {
  const properties = kind?.config_schema?.properties ?? {};
  const parts = [];
  for (const [name, property] of Object.entries(properties)) {
    const value = node.config?.[name];
    if (value === undefined || value === null || value === "" || parts.length === 2) continue;
    if (Array.isArray(value)) {
      const words = value.map((item) => (typeof item === "string" ? item : item?.name)).filter(Boolean);
      if (words.length) parts.push(words.join(", "));
    } else if (property.widget === "key_value" && typeof value === "object") {
      if (Object.keys(value).length) parts.push(Object.keys(value).join(", "));
    } else if (typeof value !== "object" && (SUMMARY_WIDGETS.has(property.widget) || property.enum)) {
      if (value !== property.default) parts.push(String(value).replace(/\s+/g, " "));
    }
  }
  return parts.join(" · ").slice(0, 120);
}

function resolve(schema, root) {
  if (schema.$ref) {
    const target = schema.$ref.replace("#/$defs/", "");
    return { ...root.$defs?.[target], ...schema };
  }
  return schema;
}

function optionsOf(property, root) {
  const whole = resolve(property, root);
  if (whole.enum) return whole.enum.map(String);
  for (const variant of whole.anyOf ?? []) {
    const resolved = resolve(variant, root);
    if (resolved.enum) return resolved.enum.map(String);
  }
  return [];
}

function widgetOf(property, root) {
  if (property.widget) return property.widget;
  if (optionsOf(property, root).length) return "select";
  const type = resolve(property, root).type;
  return { boolean: "switch", integer: "number", number: "number", object: "json", array: "json" }[type] ?? "text";
}

const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

function itemsOf(value) {
  if (!Array.isArray(value)) return [];
  return value.map((item) =>
    item && typeof item === "object"
      ? { name: item.name ?? asText(item), description: item.description ?? "" }
      : { name: String(item), description: "" },
  );
}

/** Whether the items of a list may carry a description beside their name. */
function isDescribed(property, root) {
  const variants = property.items?.anyOf ?? [property.items ?? {}];
  return variants.some((variant) => "description" in (resolve(variant, root).properties ?? {}));
}

const MANY = 5;
const LEAST_LINES = 8;

/** How tall a text is, and the numbers beside its lines. */
function linesOf(text) {
  const lines = Math.max(LEAST_LINES, text.split("\n").length);
  return { lines, numbers: Array.from({ length: lines }, (_, place) => place + 1).join("\n") };
}

const WEIGHTY = new Set(["json", "credential", "mail_server", "secret", "agent"]);
const isNothing = (value) => value === null || (Array.isArray(value) && !value.length);

/** The inspector's form for one node: a list of fields with everything that their widgets need. */
export function fieldsOf(kind, node, problems) {
  const schema = kind?.config_schema ?? {};
  const required = new Set(schema.required ?? []);
  const properties = Object.entries(schema.properties ?? {});
  const long = properties.length > MANY;
  const fields = properties.map(([name, property]) => {
    const value = node.config?.[name];
    const shown = value ?? property.default ?? null;
    const problem = problems.find((p) => p.field === name || p.field?.startsWith(`${name}.`) || p.field === `config.${name}`);
    return {
      name,
      key: `${node.id}.${name}`,
      title: property.title ?? name,
      description: property.description ?? "",
      widget: widgetOf(property, schema),
      required: required.has(name),
      rare: long && !required.has(name) && !WEIGHTY.has(property.widget) && isNothing(property.default),
      placeholder: property.examples?.[0] !== undefined ? asText(property.examples[0]) : "",
      text: shown === null ? "" : asText(shown),
      verbatim: property.verbatim === true,
      ...linesOf(shown === null ? "" : asText(shown)),
      checked: shown === true,
      items: itemsOf(shown),
      described: isDescribed(property, schema),
      pairs: shown && typeof shown === "object" && !Array.isArray(shown)
        ? Object.entries(shown).map(([key, item]) => ({ key, value: asText(item) }))
        : [],
      options: optionsOf(property, schema),
      error: problem?.message ?? "",
    };
  });
  return fields.sort((a, b) => Number(b.required) - Number(a.required));
}

/** What the text of a number field stands for: a number, an expression as it is, nothing. */
export function parseNumber(text) {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const number = Number(trimmed);
  return Number.isNaN(number) ? trimmed : number;
}

/** Text typed over a value that was no text: JSON as long as it parses, so that numbers stay numbers. */
export function parseLike(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function keysOf(sample) {
  try {
    const data = JSON.parse(sample);
    return data && typeof data === "object" && !Array.isArray(data)
      ? Object.keys(data).filter((key) => /^[a-zA-Z_]\w*$/.test(key))
      : [];
  } catch {
    return [];
  }
}

/** The paths that `nodeId` may use: what triggered the run, and what the steps before it put out. */
export function referencesOf(definition, catalog, sample, nodeId) {
  const before = new Set();
  const walk = (id) => {
    for (const edge of definition.edges) {
      if (edge.target === id && !before.has(edge.source)) {
        before.add(edge.source);
        walk(edge.source);
      }
    }
  };
  walk(nodeId);
  const references = [{ label: "Trigger data", path: "{{ trigger.data }}" }];
  for (const key of keysOf(sample)) references.push({ label: `Trigger › ${key}`, path: `{{ trigger.data.${key} }}` });
  for (const node of definition.nodes) {
    if (!before.has(node.id) || node.type === "trigger") continue;
    const kind = catalog.get(`${node.type}.${node.subtype}`);
    const outputs = Object.keys(kind?.output_schema?.properties ?? {});
    const title = node.label || node.id;
    if (!outputs.length) references.push({ label: title, path: `{{ node_${node.id}.output }}` });
    for (const name of outputs) {
      references.push({ label: `${title} › ${name}`, path: `{{ node_${node.id}.output.${name} }}` });
    }
  }
  return references;
}
