// The panel of recent archives: how far their downloads got, new links, and forgetting them.

import { ask } from "./api.js";
import { signIn } from "./messages.js";
import { at, byId, counted, element, fromNow, icon, size } from "./text.js";

const A_PAGE = 20;
const REFRESH_MILLISECONDS = 4000;

export function startArchives(share) {
  const panel = byId("archives");
  const body = byId("archives-body");
  const more = byId("archives-more");
  let limit = A_PAGE;
  let timer = 0;
  let shown = "";

  async function refresh() {
    clearTimeout(timer);
    try {
      const { archives, next } = await ask("GET", `/v1/archives?limit=${limit}`);
      more.hidden = next === null || limit >= 100;
      draw(archives);
    } catch (error) {
      fail(error);
    }
    if (panel.open) timer = setTimeout(() => (document.hidden ? later() : refresh()), REFRESH_MILLISECONDS);
  }

  function later() {
    document.addEventListener("visibilitychange", () => { if (panel.open) refresh(); }, { once: true });
  }

  function draw(archives) {
    // Drawn anew only where something changed, so that what has the focus keeps it.
    const text = JSON.stringify(archives);
    if (text === shown || body.querySelector(".danger")) return;
    const focused = document.activeElement?.dataset?.for;
    shown = text;
    if (archives.length === 0) {
      body.replaceChildren(element("div", { className: "empty" }, icon("clock"), element("h2", {}, "No archives yet"),
        element("p", {}, "What you download or share is listed here, with how far its downloads got.")));
      return;
    }
    body.replaceChildren(element("div", { className: "archives" }, ...archives.map(drawn)));
    if (focused) body.querySelector(`[data-for="${CSS.escape(focused)}"]`)?.focus();
  }

  function drawn(archive) {
    const exact = archive.content_length ?? archive.data_bytes;
    const about = `${counted(archive.entries, "entry", "entries")}${exact === null ? "" : `, ${size(exact)}`}`;
    const isOver = new Date(archive.expires) < Date.now();
    return element("article", { className: "archive", "data-archive": archive.id },
      element("h3", {}, archive.name),
      element("p", { className: "note" }, about),
      element("p", { className: "note", title: `Made ${at(archive.created)}, until ${at(archive.expires)}` },
        `Made ${fromNow(archive.created)}; ${isOver ? "expired" : "expires"} ${fromNow(archive.expires)}`),
      downloads(archive.downloads),
      element("p", { className: "actions" }, ...actions(archive, isOver)));
  }

  function downloads({ started, finished, broken_off: broken }) {
    const counts = element("p", { className: "counts" });
    const add = (text, kind = "") => counts.append(element("span", { className: `count ${kind}` }, text));
    if (started === 0) add("Not downloaded yet");
    else add(`${counted(started, "download", "downloads")} started`);
    if (finished > 0) add(`${finished} finished`, "good");
    if (broken > 0) add(`${broken} broken off`, "bad");
    return counts;
  }

  function actions(archive, isOver) {
    const forget = element("button", { type: "button", className: "button", "data-for": `forget ${archive.id}` },
      icon("trash"), element("span", {}, "Forget"));
    forget.addEventListener("click", () => confirmed(forget, archive));
    forget.addEventListener("blur", () => calm(forget));
    if (isOver) return [forget];
    const link = element("button", { type: "button", className: "button", "data-for": `link ${archive.id}` },
      icon("link"), element("span", {}, "New link"));
    link.addEventListener("click", () => share.archive(archive));
    const get = element("a", { className: "button", href: archive.links.download, "data-for": `get ${archive.id}` },
      icon("download"), element("span", {}, "Download"));
    return [get, link, forget];
  }

  async function confirmed(button, archive) {
    if (!button.classList.contains("danger")) {
      button.classList.add("danger");
      button.lastElementChild.textContent = "End its links?";
      return;
    }
    calm(button);
    try {
      await ask("DELETE", archive.links.self);
      refresh();
    } catch (error) {
      fail(error);
    }
  }

  function calm(button) {
    button.classList.remove("danger");
    button.lastElementChild.textContent = "Forget";
  }

  function fail(error) {
    shown = "";
    const text = element("p", {}, error.message);
    if (error.status === 401) text.append(" ", element("a", { href: signIn().href }, signIn().text));
    body.replaceChildren(element("div", { className: "empty" }, icon("alert"), element("h2", {}, "Cannot be shown"), text));
  }

  const open = byId("open-archives");
  open.hidden = false;
  open.addEventListener("click", () => {
    shown = "";
    body.replaceChildren(...[1, 2, 3].map(() => element("div", { className: "skeleton" })));
    panel.showModal();
    refresh();
  });
  more.addEventListener("click", () => {
    limit += A_PAGE;
    refresh();
  });
  panel.addEventListener("close", () => clearTimeout(timer));
  panel.addEventListener("click", (event) => { if (event.target === panel) panel.close(); });
}
