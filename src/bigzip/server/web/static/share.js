// The dialog that makes a link with an end: to what is ticked, to a folder, or to an archive that is there already.

import { archiveName, ask, manifest } from "./api.js";
import { signIn } from "./messages.js";
import { at, byId, counted, element } from "./text.js";

const DAY_SECONDS = 86400;

export class Share {
  #make = null;

  constructor() {
    byId("share-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    byId("share-copy").addEventListener("click", () => this.#copy());
    byId("share-link").addEventListener("focus", (event) => event.target.select());
    const folder = byId("share-folder");
    if (folder) {
      folder.hidden = false;
      folder.addEventListener("click", () => this.paths([folder.dataset.path], "store"));
    }
  }

  /** Ask for a link to an archive of paths. */
  paths(paths, method) {
    const what = paths[0] === "." ? "everything" : paths.length === 1 ? paths[0] : counted(paths.length, "item", "items");
    this.#open(archiveName(paths), Infinity, `A ZIP of ${what}. Whoever has the link can download it, without signing in.`,
      async (name, expiresIn) => {
        const made = await ask("POST", "/v1/archives", { body: manifest(paths, { method, name, expiresIn, delivery: "stream" }) });
        return { link: made.links.download, expires: made.expires };
      });
  }

  /** Ask for another link to an archive. */
  archive(archive) {
    const left = (new Date(archive.expires) - Date.now()) / 1000;
    this.#open(archive.name, left, `Another link to the same archive, which expires ${at(archive.expires)}.`,
      async (filename, expiresIn) => {
        const made = await ask("POST", `${archive.links.self}/links`, { body: { expires_in: expiresIn, filename } });
        return { link: made.download, expires: made.expires };
      });
  }

  #open(name, longest, what, make) {
    this.#make = make;
    const choices = [...byId("share-form").querySelectorAll('input[name="expiry"]')];
    for (const choice of choices) choice.disabled = choice !== choices[0] && Number(choice.value) > longest;
    const fitting = choices.filter((choice) => !choice.disabled);
    const chosen = fitting.find((choice) => Number(choice.value) === DAY_SECONDS) ?? fitting.at(-1);
    if (chosen) chosen.checked = true;
    byId("share-name").value = name;
    byId("share-what").textContent = what;
    byId("share-error").hidden = true;
    byId("share-form").hidden = false;
    byId("share-done").hidden = true;
    byId("share").showModal();
    byId("share-name").focus();
  }

  async #send() {
    const button = byId("share-make");
    if (button.disabled) return;
    const typed = byId("share-name").value.trim();
    const name = /\.zip$/i.test(typed) ? typed : `${typed}.zip`;
    const expiresIn = Number(byId("share-form").elements.expiry?.value) || undefined;
    const error = byId("share-error");
    error.hidden = true;
    button.disabled = true;
    try {
      this.#show(await this.#make(name, expiresIn));
    } catch (problem) {
      error.replaceChildren(problem.message);
      if (problem.status === 401) error.append(" ", element("a", { href: signIn().href }, signIn().text));
      error.hidden = false;
    } finally {
      button.disabled = false;
    }
  }

  #show({ link, expires }) {
    byId("share-form").hidden = true;
    byId("share-done").hidden = false;
    byId("share-link").value = link;
    byId("share-until").textContent = `It works until ${at(expires)}, and can be withdrawn before: in Archives.`;
    byId("share-copy").lastElementChild.textContent = "Copy";
    byId("share-copy").focus();
  }

  async #copy() {
    const field = byId("share-link");
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      // Pages without TLS have no clipboard but the one of old.
      field.select();
      document.execCommand("copy");
    }
    byId("share-copy").lastElementChild.textContent = "Copied";
  }
}
