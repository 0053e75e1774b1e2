// Archives that are built in the background: which there are, followed as they go on. On the page of files those that
// go on or have just ended, on their own page all of it.

import { ask } from "./api.js";
import { JobCard, isActive } from "./job-card.js";
import { say, sayProblem } from "./messages.js";

const LISTED = 20;
// A browser has six connections to a host, for all its windows; further jobs are asked about now and then.
const MOST_STREAMS = 2;
const ASK_MILLISECONDS = 4000;
const AGAIN_MILLISECONDS = 5000;
const MOST_ABOVE_FILES = 3;
const HIDDEN = "bigzip.hidden-jobs";

export class Jobs {
  #section = document.getElementById("jobs");
  #cards = new Map();
  #streams = new Map();
  #timer = 0;

  constructor() {
    if (!this.#section) return;
    for (const card of this.#list.querySelectorAll(".job")) this.#enter(card.dataset.job, card);
    this.#section.addEventListener("submit", (event) => this.#act(event));
    this.#section.addEventListener("click", (event) => {
      const hide = event.target.closest(".job-hide");
      if (hide) this.#hide(hide.closest(".job").dataset.job);
    });
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#rest() : this.#refresh()));
    addEventListener("pagehide", () => this.#rest());
    this.#refresh();
  }

  get #list() {
    return this.#section.querySelector(".job-list");
  }

  get #isWhole() {
    return "all" in this.#section.dataset;
  }

  /** Show a job that was begun just now. */
  add(job) {
    this.#show(job);
    this.#follow();
  }

  async #refresh() {
    clearTimeout(this.#timer);
    try {
      const { jobs } = await ask("GET", `/v1/jobs?limit=${LISTED}`);
      for (const job of jobs.reverse()) {
        if (this.#cards.has(job.id) || (!this.#isWhole && this.#isNews(job))) this.#show(job);
      }
      this.#follow();
    } catch (error) {
      if (error.status === 401) sayProblem(error);
      else this.#later(AGAIN_MILLISECONDS);
    }
  }

  #isNews(job) {
    return isActive(job) || ((job.state === "done" || job.state === "failed") && !hidden().includes(job.id));
  }

  #show(job) {
    const card = this.#cards.get(job.id) ?? this.#enter(job.id, null);
    const wasActive = isActive(card.job);
    card.show(job);
    this.#section.hidden = false;
    card.element.querySelector(".job-hide").hidden = this.#isWhole || isActive(job);
    if (wasActive && !isActive(job)) tell(job);
    this.#trim();
  }

  /** Above the files, show some only: those that go on first. */
  #trim() {
    if (this.#isWhole) return;
    const cards = [...this.#cards.values()].reverse().sort((one, other) => isActive(other.job) - isActive(one.job));
    for (const [place, card] of cards.entries()) card.element.hidden = place >= MOST_ABOVE_FILES;
  }

  #enter(id, element) {
    const card = new JobCard(
      element ?? document.getElementById("job-template").content.firstElementChild.cloneNode(true),
      JSON.parse(this.#section.dataset.states),
    );
    this.#cards.set(id, card);
    if (!element) this.#list.prepend(card.element);
    return card;
  }

  /** Be told of what happens to the first jobs that go on, and ask about the others. */
  #follow() {
    const active = [...this.#cards.values()].filter((card) => isActive(card.job)).reverse();
    for (const card of active) {
      if (!document.hidden && this.#streams.size < MOST_STREAMS && !this.#streams.has(card.job.id)) this.#stream(card);
    }
    if (active.some((card) => !this.#streams.has(card.job.id))) this.#later(ASK_MILLISECONDS);
  }

  #later(milliseconds) {
    clearTimeout(this.#timer);
    if (!document.hidden) this.#timer = setTimeout(() => this.#refresh(), milliseconds);
  }

  #stream(card) {
    const { id, links, last_event: last } = card.job;
    const events = new EventSource(`${links.events}?after=${last}`);
    this.#streams.set(id, events);
    const told = (event) => {
      const data = JSON.parse(event.data);
      card.told({ ...data, last_event: Number(event.lastEventId) });
      if (!isActive(data)) this.#ended(id);
    };
    for (const kind of ["queued", "surveying", "building", "progress", "finalizing", "done", "failed", "cancelled",
      "resumed", "reopened", "expired"]) events.addEventListener(kind, told);
    // The browser tries again by itself but where the answer was a refusal.
    events.addEventListener("error", () => {
      if (events.readyState !== EventSource.CLOSED) return;
      this.#streams.delete(id);
      this.#later(AGAIN_MILLISECONDS);
    });
  }

  async #ended(id) {
    this.#close(id);
    try {
      const job = await ask("GET", `/v1/jobs/${id}`);
      this.#show(job);
      tell(job);
    } catch (error) {
      sayProblem(error);
    }
    this.#follow();
  }

  #close(id) {
    this.#streams.get(id)?.close();
    this.#streams.delete(id);
  }

  #rest() {
    clearTimeout(this.#timer);
    for (const id of [...this.#streams.keys()]) this.#close(id);
  }

  /** Cancel or resume by the API what the form would by another page. */
  async #act(event) {
    event.preventDefault();
    const element = event.target.closest(".job");
    const id = element.dataset.job;
    const isCancel = event.target.matches(".job-cancel");
    const button = event.target.querySelector("button");
    if (isCancel && !button.classList.contains("danger")) {
      confirmFirst(button);
      return;
    }
    calm(button);
    button.disabled = true;
    try {
      const job = await (isCancel ? ask("DELETE", `/v1/jobs/${id}`) : ask("POST", `/v1/jobs/${id}/resume`));
      if (isCancel) this.#close(id);
      this.#show(job);
      this.#follow();
      element.focus();
    } catch (error) {
      sayProblem(error);
    } finally {
      button.disabled = false;
    }
  }

  #hide(id) {
    this.#cards.get(id).element.remove();
    this.#cards.delete(id);
    try {
      localStorage.setItem(HIDDEN, JSON.stringify([id, ...hidden()].slice(0, 5 * LISTED)));
    } catch {
      // No storage: it comes back with the next page.
    }
    this.#section.hidden = this.#cards.size === 0;
    this.#trim();
    (this.#list.querySelector(".job") ?? document.getElementById("list"))?.focus();
  }
}

function hidden() {
  try {
    return JSON.parse(localStorage.getItem(HIDDEN) ?? "[]");
  } catch {
    return [];
  }
}

function confirmFirst(button) {
  button.classList.add("danger");
  button.textContent = "Really cancel?";
  button.setAttribute("aria-label", `Really cancel? ${button.getAttribute("aria-label")}`);
  button.addEventListener("blur", () => calm(button), { once: true });
}

function calm(button) {
  if (!button.classList.contains("danger")) return;
  button.classList.remove("danger");
  button.textContent = "Cancel";
  button.setAttribute("aria-label", button.getAttribute("aria-label").replace("Really cancel? ", ""));
}

/** Say how a job has ended: that alone is read out. */
function tell(job) {
  if (job.state === "done") say(`${job.name} is ready.`);
  else if (job.state === "failed") say(`${job.name}: ${job.problem?.detail ?? "building failed"}`, { isError: true });
}
