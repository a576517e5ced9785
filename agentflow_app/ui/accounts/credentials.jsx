import { createContext, createElement as h, useContext, useRef, useState } from "react";

// Whether someone has logged in here before: decides which door a visitor without a session is shown.
const KNOWN = "agentflow.known";

const FormState = createContext({ busy: false, errors: {}, message: "" });

function destination() {
  const next = new URLSearchParams(window.location.search).get("next") ?? "/";
  // Only paths of our own: anything else would make the login page a redirector to foreign sites.
  return /^\/(?![\\/])/.test(next) ? next : "/";
}

/** What the browser itself can tell about the fields: name → what to do. */
function unfilled(form) {
  const found = {};
  for (const field of form.elements) {
    if (!field.name || field.validity.valid) continue;
    if (field.validity.valueMissing) found[field.name] = "Fill this in.";
    else if (field.validity.tooShort) found[field.name] = `Use at least ${field.minLength} characters.`;
    else found[field.name] = field.type === "email" ? "Enter an e-mail address." : field.validationMessage;
  }
  return found;
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Sends the credentials past the page's state, so that a password never enters it. */
export function CredentialsForm({ path, children, className }) {
  const form = useRef(null);
  const [state, setState] = useState({ busy: false, errors: {}, message: "" });

  const fail = (errors, message) => {
    const fields = [...form.current.elements].filter((field) => field.name);
    fields.forEach((field) => field.setAttribute("aria-invalid", String(field.name in errors)));
    const first = fields.find((field) => field.name in errors);
    first?.focus();
    setState({ busy: false, errors, message: first ? "" : message });
  };

  const submit = async (event) => {
    event.preventDefault();
    if (state.busy) return;
    const missing = unfilled(form.current);
    if (Object.keys(missing).length) {
      fail(missing, "");
      return;
    }
    setState({ busy: true, errors: {}, message: "" });
    try {
      const response = await fetch(path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(Object.fromEntries(new FormData(form.current))),
      });
      if (response.ok) {
        localStorage.setItem(KNOWN, "1");
        window.location.assign(destination());
        return;
      }
      const { error } = await response.json();
      fail(error?.details?.fields ?? {}, error?.message ?? "That did not work. Try again.");
    } catch {
      fail({}, "AgentFlow cannot be reached. Check your connection and try again.");
    }
  };

  return h(
    "form",
    { ref: form, onSubmit: submit, className, noValidate: true },
    h(FormState.Provider, { value: state }, children),
  );
}

/** What is wrong with the field `name`, or its help. */
export function FieldNote({ name, help }) {
  const { errors } = useContext(FormState);
  const error = errors[name];
  return h(
    "p",
    {
      id: `${name}-note`,
      role: error ? "alert" : undefined,
      className: `mt-1 min-h-4 text-sm ${error ? "text-red-11" : "text-gray-11"}`,
    },
    error ? sentence(error) : help,
  );
}

/** What is wrong with the form as a whole. */
export function FormMessage({ className }) {
  const { message } = useContext(FormState);
  return message ? h("div", { role: "alert", className }, message) : null;
}

export function SubmitButton({ label, busyLabel, className }) {
  const { busy } = useContext(FormState);
  return h("button", { type: "submit", disabled: busy, className }, busy ? busyLabel : label);
}

export async function logOut() {
  try {
    await fetch("/api/v1/auth/logout", { method: "POST" });
  } finally {
    window.location.assign("/login");
  }
}
