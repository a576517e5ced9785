import { createContext, createElement as h, useContext, useRef, useState } from "react";

// Which single sign-on the typed address' domain has: `found` is {name, enforced}, or null.
export const Realm = createContext({ found: null, insisted: false, insist: () => {} });

const domainOf = (field) => {
  const address = field?.value.trim().toLowerCase() ?? "";
  return /^[^@\s]+@([^@\s]+\.[^@\s]+)$/.exec(address)?.[1] ?? "";
};

/** Asks by the domain alone: the address itself is sent to nobody before it is meant to be. */
async function ask(domain) {
  try {
    const response = await fetch(`/api/v1/auth/sso/home?domain=${encodeURIComponent(domain)}`);
    const answer = response.ok ? await response.json() : {};
    return answer.name ? answer : null;
  } catch {
    return null;
  }
}

/** For a login form: `look()` finds out about the address in it, once for each domain. */
export function useRealm(form, wanted) {
  const [state, setState] = useState({ found: null, insisted: false });
  const known = useRef({ domain: "", answer: Promise.resolve(null) });
  const look = async () => {
    if (!wanted) return null;
    const domain = domainOf(form.current.elements.email);
    if (domain !== known.current.domain) known.current = { domain, answer: domain ? ask(domain) : Promise.resolve(null) };
    const mine = known.current;
    const found = await mine.answer;
    if (mine === known.current) setState((before) => (before.found === found ? before : { found, insisted: false }));
    return found;
  };
  const insist = () => setState((before) => ({ ...before, insisted: true }));
  return { ...state, insist, look, demanded: Boolean(state.found?.enforced) && !state.insisted };
}

/** To the provider of the address, and then to where one was going. */
export function enterBySso(form) {
  const query = new URLSearchParams({ email: form.elements.email.value.trim() });
  const next = new URLSearchParams(window.location.search).get("next");
  if (next) query.set("next", next);
  localStorage.setItem("agentflow.known", "1");
  window.location.assign(`/api/v1/auth/sso/start?${query}`);
}

/** What a password is for: gone where the organization demands its single sign-on. */
export function IfPassword({ children }) {
  const { found, insisted } = useContext(Realm);
  return found?.enforced && !insisted ? null : h("div", { className: "flex flex-col gap-3" }, children);
}

/** Instead of the password, or beside it where the organization leaves the choice. */
export function RealmButton({ className, primaryClass, linkClass }) {
  const { found, insisted, insist } = useContext(Realm);
  if (!found) return null;
  const label = `Continue with ${found.name}`;
  if (!found.enforced || insisted) {
    const onClick = (event) => enterBySso(event.currentTarget.form);
    return h("button", { type: "button", className, onClick }, label);
  }
  return h(
    "div",
    { className: "flex flex-col gap-2" },
    h("button", { type: "submit", className: primaryClass }, label),
    h(
      "p",
      { role: "status", className: "text-sm text-gray-11" },
      "Your organization signs in there. ",
      h("button", { type: "button", className: linkClass, onClick: insist }, "Use a password"),
      " if you are its owner.",
    ),
  );
}
