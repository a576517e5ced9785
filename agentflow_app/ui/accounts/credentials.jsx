import { createContext, createElement as h, useContext, useEffect, useRef, useState } from "react";
import { ask, create } from "./passkey.js";
import { enterBySso, Realm, useRealm } from "./realm.js";

export { IfPassword, RealmButton } from "./realm.js";

// Whether someone has logged in here before: decides which door a visitor without a session is shown.
const KNOWN = "agentflow.known";

const FormState = createContext({ busy: false, errors: {}, message: "" });

// The second step of a login: `asked` is what the first one was answered with.
const Steps = createContext({ asked: null, begin: () => {}, restart: () => {} });

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

function enter() {
  localStorage.setItem(KNOWN, "1");
  window.location.assign(destination());
}

/** Posts JSON; what came back, or the words for a server that is away. */
async function post(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    const answer = text ? JSON.parse(text) : null;
    return response.ok ? { ok: true, answer } : { ok: false, error: answer?.error ?? {} };
  } catch {
    return {
      ok: false,
      error: { message: "AgentFlow cannot be reached. Check your connection and try again." },
    };
  }
}

/** Shows `first`, and `second` once a second factor is asked for. */
export function LoginSteps({ children }) {
  const [asked, setAsked] = useState(null);
  useEffect(() => {
    // Google or GitHub was the first step: the answer to it came along after the #.
    const carried = /^#second=([\w-]+)$/.exec(window.location.hash);
    if (!carried) return;
    window.history.replaceState(null, "", window.location.pathname + window.location.search);
    try {
      setAsked(JSON.parse(atob(carried[1].replaceAll("-", "+").replaceAll("_", "/"))));
    } catch {
      // Not ours: the login begins with its first step.
    }
  }, []);
  return h(
    Steps.Provider,
    { value: { asked, begin: setAsked, restart: () => setAsked(null) } },
    children,
  );
}

export function FirstStep({ children }) {
  return useContext(Steps).asked ? null : h("div", null, children);
}

export function SecondStep({ children }) {
  return useContext(Steps).asked ? h("div", null, children) : null;
}

/** Only where the account has `method`: `totp`, `passkey`, `recovery_code`. */
export function IfMethod({ method, without, children }) {
  const methods = useContext(Steps).asked?.methods ?? [];
  return methods.includes(method) !== Boolean(without) ? h("div", null, children) : null;
}

export function StartAgain({ label, className }) {
  return h("button", { type: "button", className, onClick: useContext(Steps).restart }, label);
}

/** Logs in by a passkey: alone, or as the second step. */
export function PasskeyButton({ label, busyLabel, className }) {
  const { asked } = useContext(Steps);
  const [state, setState] = useState({ busy: false, message: "" });
  const go = async () => {
    setState({ busy: true, message: "" });
    const fail = (message) => setState({ busy: false, message });
    if (!window.PublicKeyCredential) {
      fail("This browser knows no passkeys.");
      return;
    }
    const base = "/api/v1/auth";
    const begun = asked ? null : await post(`${base}/passkey/begin`, {});
    if (begun && !begun.ok) {
      fail(begun.error.message ?? "That did not work. Try again.");
      return;
    }
    const challenge = asked ? asked.challenge : begun.answer.challenge;
    let credential;
    try {
      credential = await ask(asked ? asked.passkey : begun.answer.options);
    } catch {
      fail("No passkey was used. Try again, or log in another way.");
      return;
    }
    const path = asked ? `${base}/login/second-factor` : `${base}/passkey`;
    const done = await post(`${path}?session=page`, { challenge, credential });
    if (done.ok) enter();
    else fail(done.error.message ?? "That did not work. Try again.");
  };
  return h(
    "div",
    null,
    h("button", { type: "button", className, disabled: state.busy, onClick: go }, state.busy ? busyLabel : label),
    h("p", { role: state.message ? "alert" : undefined, className: "mt-1 text-sm text-red-11" }, state.message),
  );
}

/** Makes a passkey whenever `asked` changes, and tells the page what the device answered. */
export function PasskeyMaker({ asked, onMade, onFailed }) {
  useEffect(() => {
    if (!asked?.challenge) return;
    create(asked.options).then(
      (credential) => onMade(credential),
      (error) =>
        onFailed(
          error?.name === "InvalidStateError"
            ? "This device has a passkey for your account already."
            : "No passkey was made. Passkeys need HTTPS, or localhost, and a device that knows them.",
        ),
    );
  }, [asked?.challenge]);
  return null;
}

/** Has a passkey sign whenever `asked` changes, and tells the page what it answered. */
export function PasskeyAsker({ asked, onMade, onFailed }) {
  useEffect(() => {
    if (!asked?.challenge) return;
    ask(asked.options).then(
      (credential) => onMade(credential),
      () => onFailed("No passkey was used. Try again, or confirm another way."),
    );
  }, [asked?.challenge]);
  return null;
}

export function OutwardLink({ label, href, className }) {
  return h("a", { href, className }, label);
}

/** What the link carried after its #, taken out of the address at once. */
function useCarried(wanted) {
  const carried = useRef("");
  useEffect(() => {
    if (!wanted || window.location.hash.length < 2) return;
    carried.current = window.location.hash.slice(1);
    window.history.replaceState(null, "", window.location.pathname);
  }, [wanted]);
  return carried;
}

/**
 * Sends the credentials past the page's state, so that a password never enters it.
 * `done`: what is shown afterwards, instead of entering the app. `carried`: the link's token goes along.
 * `realm`: whose address it is may have a single sign-on of its own.
 */
export function CredentialsForm({ path, done, carried: wanted, realm: withRealm, children, className }) {
  const form = useRef(null);
  const { asked, begin, restart } = useContext(Steps);
  const carried = useCarried(wanted);
  const realm = useRealm(form, withRealm);
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
    if (realm.demanded && form.current.elements.email.validity.valid) {
      enterBySso(form.current);
      return;
    }
    const found = await realm.look();
    if (found?.enforced && !realm.insisted) return;  // the form says now where to go on
    const missing = unfilled(form.current);
    if (Object.keys(missing).length) {
      fail(missing, "");
      return;
    }
    setState({ busy: true, errors: {}, message: "" });
    const more = { ...(asked && { challenge: asked.challenge }), ...(wanted && { token: carried.current || "-" }) };
    const { ok, error } = await post(path, { ...Object.fromEntries(new FormData(form.current)), ...more });
    if (ok && done) {
      setState({ busy: false, errors: {}, message: "", over: true });
    } else if (ok) {
      enter();
    } else if (error.code === "SECOND_FACTOR_REQUIRED") {
      begin(error.details);
    } else {
      fail(error.details?.fields ?? {}, error.message ?? "That did not work. Try again.");
      if (error.code === "CHALLENGE_EXPIRED") setTimeout(restart, 2500);
    }
  };
  if (state.over) return h("p", { role: "status", className: "text-base text-gray-12" }, done);

  return h(
    "form",
    {
      ref: form,
      onSubmit: submit,
      onBlur: (event) => event.target.name === "email" && realm.look(),
      className,
      noValidate: true,
    },
    h(Realm.Provider, { value: realm }, h(FormState.Provider, { value: state }, children)),
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

/**
 * Closed until the page's own code listens: before that the browser itself would send the form, as an address with
 * the password in it. A form whose button is disabled is not sent by Enter either.
 */
export function SubmitButton({ label, busyLabel, className }) {
  const { busy } = useContext(FormState);
  const [listening, setListening] = useState(false);
  useEffect(() => setListening(true), []);
  const style = listening ? undefined : { opacity: 1 };  // it does not flicker while the page loads
  return h(
    "button",
    { type: "submit", disabled: busy || !listening, className, style },
    busy ? busyLabel : label,
  );
}

export async function logOut() {
  try {
    await fetch("/api/v1/auth/logout", { method: "POST" });
  } finally {
    window.location.assign("/login");
  }
}
