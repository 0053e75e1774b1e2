// The bar of what is ticked: how much it is, how it will be delivered, and what can be done with it.

import { ask, manifest, plainZip } from "./api.js";
import { say, sayProblem } from "./messages.js";
import { byId, counted, element, number, size } from "./text.js";

const PAUSE_MILLISECONDS = 250;
const KEPT_SECONDS = 86400;
const LONGEST_URL = 8000;
const METHOD = "bigzip.method";

export function startBar(selection, share, jobs) {
  const bar = byId("bar");
  if (!bar) return;
  const list = byId("list");
  const methods = [...bar.querySelectorAll('input[name="how"]')];
  let timer = 0;
  let isAsking = false;
  let isStale = false;

  const method = () => methods.find((one) => one.checked).value;
  const wanted = (more) => manifest(selection.paths, { method: method(), ...more });

  function show() {
    bar.hidden = selection.count === 0;
    document.body.classList.toggle("has-bar", selection.count > 0);
    byId("bar-count").textContent = selection.paths[0] === "." ? "Everything" : `${number(selection.count)} ticked`;
    isStale = true;
    clearTimeout(timer);
    if (selection.count === 0) return;
    byId("bar-facts").classList.add("is-busy");
    byId("bar-how").textContent ||= "Working out the exact size\u2026";
    timer = setTimeout(preview, PAUSE_MILLISECONDS);
  }

  // One question at a time: the service goes on with one whose asker has gone, and lets each have only so many.
  async function preview() {
    if (isAsking) return; // which asks again when it is done
    isAsking = true;
    while (isStale && selection.count > 0) {
      isStale = false;
      await askOnce();
    }
    isAsking = false;
  }

  async function askOnce() {
    const how = byId("bar-how");
    try {
      const facts = await ask("POST", "/v1/archives/preview", { body: wanted() });
      if (isStale) return;
      byId("fact-entries").textContent = number(facts.entries);
      byId("fact-data").textContent = facts.data_bytes === null ? "unknown" : size(facts.data_bytes);
      const exact = facts.content_length;
      byId("fact-zip").replaceChildren(...(exact === null ? ["not known yet"] : [size(exact)]));
      if (exact >= 1000) byId("fact-zip").append(element("small", {}, counted(exact, "byte", "bytes")));
      how.textContent = facts.delivery_reason;
      recommend(facts.delivery === "job");
      how.classList.remove("is-error");
    } catch (error) {
      if (isStale) return;
      for (const id of ["fact-entries", "fact-data", "fact-zip"]) byId(id).textContent = "\u2013";
      how.textContent = error.message;
      how.classList.add("is-error");
      if (error.status === 401) sayProblem(error);
    }
    byId("bar-facts").classList.remove("is-busy");
  }

  // What is very large is better built first: a download of it would take hours, on this connection.
  function recommend(isJob) {
    byId("build-ticked")?.classList.toggle("primary", isJob);
    byId("download-ticked").classList.toggle("primary", !isJob || !byId("build-ticked"));
  }

  async function build(button) {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      const job = await ask("POST", "/v1/jobs", { body: wanted() });
      jobs.add(job);
      say(`${job.name} is being built. It goes on when this page is closed.`);
    } catch (error) {
      sayProblem(error);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  async function download() {
    const button = byId("download-ticked");
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      const made = await ask("POST", "/v1/archives", { body: wanted({ expiresIn: KEPT_SECONDS, delivery: "stream" }) });
      location.assign(made.links.download);
      say(`${made.name} is on its way. Archives shows how far it got.`);
    } catch (error) {
      const plain = plainZip(selection.paths, method());
      // A token may allow files and no archives.
      if (error.status === 403 && plain.length < LONGEST_URL) location.assign(plain);
      else sayProblem(error);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  for (const one of methods) {
    one.checked = one.value === (sessionStorage.getItem(METHOD) ?? "store");
    one.addEventListener("change", () => {
      sessionStorage.setItem(METHOD, method());
      show();
    });
  }
  byId("bar-clear").addEventListener("click", () => {
    selection.clear();
    list?.focus();
  });
  byId("download-ticked").addEventListener("click", download);
  byId("build-ticked")?.addEventListener("click", (event) => build(event.currentTarget));
  byId("files")?.addEventListener("submit", (event) => {
    event.preventDefault();
    download();
  });
  byId("share-ticked").addEventListener("click", () => share.paths(selection.paths, method()));
  selection.addEventListener("change", show);
  show();
}
