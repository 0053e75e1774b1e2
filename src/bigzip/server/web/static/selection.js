// What is ticked, across folders and pages, for as long as the tab lives. Paths of folders end in a slash; "." is all.

const KEY = "bigzip.ticked";

export class Selection extends EventTarget {
  #paths;

  constructor() {
    super();
    this.#paths = Selection.#kept();
  }

  static #kept() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
      return new Set(kept.filter((path) => typeof path === "string"));
    } catch {
      return new Set();
    }
  }

  get paths() {
    return [...this.#paths];
  }

  get count() {
    return this.#paths.size;
  }

  /** The ticked folder that a path lies in; null where there is none. */
  folderOf(path) {
    if (path !== "." && this.#paths.has(".")) return ".";
    for (let end = path.indexOf("/"); end >= 0 && end < path.length - 1; end = path.indexOf("/", end + 1)) {
      const folder = path.slice(0, end + 1);
      if (this.#paths.has(folder)) return folder;
    }
    return null;
  }

  has(path) {
    return this.#paths.has(path) || this.folderOf(path) !== null;
  }

  /** Tick paths, or tick them no longer. A folder takes the place of what is in it. */
  set(paths, isTicked) {
    for (const path of paths) {
      if (!isTicked) this.#paths.delete(path);
      else if (!this.has(path)) {
        if (path.endsWith("/") || path === ".") this.#dropBeneath(path);
        this.#paths.add(path);
      }
    }
    this.#changed();
  }

  clear() {
    this.#paths.clear();
    this.#changed();
  }

  #dropBeneath(folder) {
    for (const path of this.#paths) {
      if (folder === "." || path.startsWith(folder)) this.#paths.delete(path);
    }
  }

  #changed() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this.paths));
    } catch {
      // No storage, or a full one: what is ticked lives as long as the page.
    }
    this.dispatchEvent(new Event("change"));
  }
}
