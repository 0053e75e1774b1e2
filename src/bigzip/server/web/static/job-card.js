// One job on the page: how far it is, how fast it goes, and when it will be ready.

import { at, counted, size } from "./text.js";

const ACTIVE = ["queued", "surveying", "building", "finalizing"];
const RATE_MILLISECONDS = 20000;
const UNSURE_MILLISECONDS = 3000;

export const isActive = (job) => ACTIVE.includes(job.state);

/** How long something takes, roughly: "about 3 minutes". */
function roughly(seconds) {
  if (seconds < 60) return "less than a minute";
  if (seconds < 5400) return `about ${counted(Math.round(seconds / 60), "minute", "minutes")}`;
  if (seconds < 172800) return `about ${counted(Math.round(seconds / 3600), "hour", "hours")}`;
  return `about ${counted(Math.round(seconds / 86400), "day", "days")}`;
}

export class JobCard {
  #samples = [];
  #states;

  /** The card in an element that the server has written: in the page, or in a copy of its template. */
  constructor(card, states) {
    this.element = card;
    this.#states = states;
    this.job = { id: card.dataset.job, state: card.dataset.state };
  }

  #part(name) {
    return this.element.querySelector(`.job-${name}`);
  }

  /** Show a job as its document has it. */
  show(job) {
    const card = this.element;
    card.id = `job-${job.id}`;
    card.dataset.job = job.id;
    this.#part("name").textContent = job.name;
    this.#part("bar").setAttribute("aria-label", `Progress of ${job.name}`);
    this.#part("download").href = job.links.download ?? `/v1/jobs/${job.id}/download`;
    for (const [part, verb] of [["download", "Download"], ["resume", "Resume"], ["cancel", "Cancel"], ["hide", "Hide"]]) {
      const control = this.#part(part);
      if (control.tagName === "FORM") control.action = `/jobs/${job.id}/${part}`;
      (control.querySelector("button") ?? control).setAttribute("aria-label", `${verb} ${job.name}`);
    }
    this.#list(job.archives ?? []);
    this.#draw({ ...job, data_bytes: job.progress.data_bytes, data_bytes_done: job.progress.data_bytes_done });
  }

  /** The archives of a set, each with its link. Those that are listed already are left alone, and with them the focus. */
  #list(archives) {
    const list = this.#part("archives");
    list.setAttribute("aria-label", `Archives of ${this.#part("name").textContent}`);
    list.hidden = archives.length === 0;
    if (list.childElementCount === archives.length) return;
    list.replaceChildren(...archives.map((archive) => {
      const [item, link, note] = ["li", "a", "span"].map((tag) => document.createElement(tag));
      link.href = archive.links.download;
      link.textContent = archive.name;
      note.className = "note";
      note.textContent = size(archive.size);
      item.append(link, note);
      return item;
    }));
  }

  /** Show what an event tells. */
  told(event) {
    this.#draw({ ...this.job, ...event });
  }

  #draw(job) {
    if (job.state !== this.job.state || job.data_bytes_done < this.job.data_bytes_done) this.#samples = [];
    this.job = job;
    const card = this.element;
    if (card.dataset.state !== job.state) card.dataset.state = job.state;
    this.#part("state").textContent = this.#states[job.state];
    const bar = this.#part("bar");
    bar.hidden = !isActive(job);
    if (job.data_bytes > 0 && job.state !== "surveying") bar.value = Math.floor((100 * job.data_bytes_done) / job.data_bytes);
    else bar.removeAttribute("value");
    this.#part("facts").textContent = this.#facts(job);
    this.#part("problem").hidden = !job.problem;
    this.#part("problem").textContent = job.problem?.detail ?? "";
    this.#part("download").hidden = job.state !== "done" || Boolean(job.split);
    this.#part("resume").hidden = job.state !== "failed" && job.state !== "cancelled";
    this.#part("cancel").hidden = !isActive(job);
  }

  #facts(job) {
    const told = [];
    if (job.entries !== null) told.push(counted(job.entries, "entry", "entries"));
    if (job.state === "done") {
      if (job.archives?.length > 1) told.push(counted(job.archives.length, "archive", "archives"));
      if (job.content_length) told.push(size(job.content_length));
      if (job.expires) told.push(`until ${at(job.expires)}`);
    } else if (job.data_bytes !== null) {
      told.push(`${size(job.data_bytes_done)} of ${size(job.data_bytes)}`);
      if (job.state === "building") told.push(...this.#pace(job));
    }
    return told.join(" \u00b7 ");
  }

  /** Rate and time left, once there is something to tell them by. */
  #pace(job) {
    const now = performance.now();
    const samples = this.#samples;
    samples.push([now, job.data_bytes_done]);
    while (samples.length > 2 && now - samples[0][0] > RATE_MILLISECONDS) samples.shift();
    const [since, before] = samples[0];
    const rate = (1000 * (job.data_bytes_done - before)) / (now - since);
    if (now - since < UNSURE_MILLISECONDS || !(rate > 0)) return [];
    return [`${size(rate)}/s`, `${roughly((job.data_bytes - job.data_bytes_done) / rate)} left`];
  }
}
