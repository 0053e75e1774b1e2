// What the page can do besides what HTML does: it works without all of this.

import { startArchives } from "./archives.js";
import { startBar } from "./bar.js";
import { Jobs } from "./jobs.js";
import { startList } from "./list.js";
import { Selection } from "./selection.js";
import { Share } from "./share.js";
import { byId } from "./text.js";

const selection = new Selection();
const share = new Share();
startList(selection);
startBar(selection, share, new Jobs());
startArchives(share);

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.('input:not([type="checkbox"], [type="radio"]), textarea, select, dialog');
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
  event.preventDefault();
  byId("search").focus();
});
