// The service's API, with problem documents (RFC 9457) as errors that people can read.

const ADVICE = {
  401: "Your session has ended. Sign in again.",
  403: "Your token does not reach that far.",
  413: "This is more than the service accepts at once.",
  429: "There is too much going on at the moment. Wait a little, and try again.",
  502: "The service cannot be reached at the moment. Try again.",
  503: "The service cannot do this at the moment. Wait a little, and try again.",
};

export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function problemOf(response) {
  let told = {};
  try {
    if (response.headers.get("content-type")?.includes("json")) told = await response.json();
  } catch {
    // An answer of something before the service: its status has to do.
  }
  const detail = response.status === 401 ? "" : told.detail;
  return new Problem(response.status, detail || ADVICE[response.status] || told.title || `Status ${response.status}`);
}

/** What the API answers, as an object; null where it answers nothing. Throws a Problem. */
export async function ask(method, path, { body } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { accept: "application/json", ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, "The service cannot be reached. Check the connection, and try again.");
  }
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json();
}

/** The body that asks for an archive of paths. Paths end in a slash where they are directories; "." is everything. */
export function manifest(paths, { method, name, expiresIn, delivery } = {}) {
  const above = commonFolder(paths);
  const entries = paths.map((path) => {
    const bare = path.replace(/\/$/, "");
    return { source: `file:${path}`, name: path === "." ? "" : bare.slice(above.length) };
  });
  return {
    name: name ?? archiveName(paths),
    method: method ?? "store",
    collisions: "rename",
    ...(expiresIn && { expires_in: expiresIn }),
    ...(delivery && { delivery }),
    entries,
  };
}

/** The plain ZIP of paths, which takes no archive that is kept. */
export function plainZip(paths, method) {
  const fields = paths.map((path) => ["path", path === "." ? "" : path]);
  return `/v1/zip?${new URLSearchParams([...fields, ["method", method], ["collisions", "rename"]])}`;
}

/** What an archive of paths is called: as the one there is, else as the folder that holds all. */
export function archiveName(paths, root = document.querySelector("[data-root]")?.dataset.root ?? "archive") {
  const path = paths.length === 1 && paths[0] !== "." ? paths[0] : commonFolder(paths);
  const last = path.replace(/\/$/, "").split("/").pop() || root;
  return `${last}.zip`;
}

/** The folder that holds all paths, with a slash at its end; "" for the root. */
function commonFolder(paths) {
  const folders = paths.map((path) => path.replace(/\/$/, "").split("/").slice(0, -1));
  const first = folders[0] ?? [];
  let depth = 0;
  while (depth < first.length && folders.every((folder) => folder[depth] === first[depth])) depth += 1;
  return first.slice(0, depth).map((part) => `${part}/`).join("");
}
