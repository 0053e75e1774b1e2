// Messages at the top of the page, which screen readers read out; errors stay until they are dismissed.

import { byId, element, icon } from "./text.js";

const SHOWN_MILLISECONDS = 6000;

export function say(text, { isError = false, link = null } = {}) {
  const dismiss = element("button", { type: "button", className: "button quiet square", "aria-label": "Dismiss" },
    icon("close"));
  const words = element("p", {}, text);
  if (link) words.append(" ", element("a", { href: link.href }, link.text));
  const message = element("div", { className: isError ? "message is-error" : "message" },
    icon(isError ? "alert" : "check"), words, dismiss);
  dismiss.addEventListener("click", () => message.remove());
  byId("messages").replaceChildren(message);
  if (!isError) setTimeout(() => message.remove(), SHOWN_MILLISECONDS);
}

/** Say what went wrong; nothing where it was aborted on purpose. */
export function sayProblem(error) {
  if (error.name === "AbortError") return;
  say(error.message, { isError: true, link: error.status === 401 ? signIn() : null });
}

export function signIn() {
  const here = location.pathname + location.search;
  return { href: `/login?next=${encodeURIComponent(here)}`, text: "Sign in" };
}
