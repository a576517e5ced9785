import { createElement as h, useEffect, useState } from "react";

const PROBLEMS = {
  SSO_NOT_FOUND: "No single sign-on is set up for this address. Check it, or log in with your password.",
  SSO_EXPIRED: "This sign-in took too long or was begun elsewhere. Start again.",
  SSO_DENIED: "Your identity provider did not let you in.",
  SSO_PROVIDER_FAULT: "Your identity provider's answer cannot be used. Tell your administrator.",
  SSO_ADDRESS_REFUSED: "Your identity provider did not name an address that may come in here. Tell your administrator.",
  SSO_ACCESS_ENDED: "Your access to this organization has ended. Ask its administrators.",
  SSO_DEMANDED: "Your organization demands its single sign-on by now. Continue with your work address.",
  SSO_REQUIRED: "Your organization signs in through its identity provider: choose “Continue with SSO”.",
  SOCIAL_ADDRESS_REFUSED: "That account has no e-mail address that its provider has verified.",
  ADDRESS_UNPROVED:
    "An account with this address exists, but the address was never verified. Log in with your password and verify it under Settings, Profile; then this works.",
  SHUT_OUT: "You are not let in: your account or your organization's was deactivated. Ask its admins.",
  RATE_LIMITED: "Too many attempts. Wait a moment before the next one.",
};

/** What was asked for before the login page, and what went wrong on the way back. */
function useAsked() {
  const [asked, setAsked] = useState({ next: "", problem: "" });
  useEffect(() => {
    const query = new URLSearchParams(window.location.search);
    const code = query.get("problem");
    setAsked({
      next: query.get("next") ?? "",
      problem: code ? (PROBLEMS[code] ?? "That did not work. Try again.") : "",
    });
  }, []);
  return asked;
}

/** To the page for single sign-on, which then leads on to where one was going. */
export function SsoLink({ label, className }) {
  const { next } = useAsked();
  const href = next ? `/login/sso?next=${encodeURIComponent(next)}` : "/login/sso";
  return h("a", { href, className }, label);
}

export function DoorProblem({ className }) {
  const { problem } = useAsked();
  return problem ? h("div", { role: "alert", className }, problem) : null;
}

const SOCIAL = { google: "Google", github: "GitHub" };

/** Nothing where no provider is set up. */
export function SocialLinks({ providers, className, linkClass }) {
  const { next } = useAsked();
  const links = (providers ?? []).map((provider) => {
    const query = new URLSearchParams({ provider, ...(next && { next }) });
    const onClick = () => localStorage.setItem("agentflow.known", "1");
    const href = `/api/v1/auth/sso/start?${query}`;
    return h("a", { key: provider, href, onClick, className: linkClass }, `Continue with ${SOCIAL[provider]}`);
  });
  return links.length ? h("div", { className }, links) : null;
}

/**
 * Leads to the identity provider of the address's domain. By navigation and not as a form's target: pages may
 * send forms to their own origin only, and browsers hold its redirects to that.
 */
export function SsoForm({ className, alertClass, children }) {
  const { next, problem } = useAsked();
  const [note, setNote] = useState("");
  const submit = (event) => {
    event.preventDefault();
    const field = event.currentTarget.elements.email;
    if (!field.validity.valid) {
      setNote("Enter your work e-mail address.");
      field.focus();
      return;
    }
    const query = new URLSearchParams({ email: field.value.trim() });
    if (next) query.set("next", next);
    localStorage.setItem("agentflow.known", "1");
    window.location.assign(`/api/v1/auth/sso/start?${query}`);
  };
  const told = note || problem;
  return h(
    "form",
    { onSubmit: submit, noValidate: true, className },
    told ? h("div", { role: "alert", className: alertClass }, told) : null,
    children,
  );
}
