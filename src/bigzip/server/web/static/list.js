// The list of files: ticking one, all, or a range; moving in it with the keyboard.

import { say } from "./messages.js";
import { byId } from "./text.js";

export function startList(selection) {
  const list = byId("list");
  const all = byId("tick-all");
  if (!all) return;
  const boxes = [...list.querySelectorAll('input[name="path"]')];
  const { whole } = list.dataset;
  let anchor = -1;
  let isRange = false;

  function show() {
    for (const box of boxes) box.checked = selection.has(box.value);
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
    byId("whole").hidden = !whole || list.dataset.pages === "one" || !all.checked || selection.has(whole);
  }

  function leaveFolder(box) {
    const folder = selection.folderOf(box.value);
    if (folder === null) return;
    const isHere = boxes.every((other) => selection.folderOf(other.value) === folder);
    selection.set([folder], false);
    const isWhole = isHere && list.dataset.pages === "one" && folder === whole;
    if (isWhole) selection.set(boxes.filter((other) => other !== box).map((other) => other.value), true);
    else say(`${folder === "." ? "Everything" : folder} is no longer ticked as a whole.`);
  }

  function tick(box) {
    const index = boxes.indexOf(box);
    const isTicked = box.checked;
    const [from, to] = isRange && anchor >= 0 ? [anchor, index].sort((a, b) => a - b) : [index, index];
    if (!isTicked) leaveFolder(box);
    selection.set(boxes.slice(from, to + 1).map((other) => other.value), isTicked);
    anchor = index;
  }

  function move(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, Home: -boxes.length, End: boxes.length };
    const row = event.target.closest("tbody tr");
    if (!row || !(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = [...row.parentElement.rows];
    const next = rows[Math.min(rows.length - 1, Math.max(0, rows.indexOf(row) + steps[event.key]))];
    const sort = event.target.matches("input") ? "input" : event.target.matches(".zip a") ? ".zip a" : ".name a";
    (next.querySelector(`${sort}:not(:disabled)`) ?? next.querySelector("input:not(:disabled), a"))?.focus();
    event.preventDefault();
    const [from, to] = [row, next].map((one) => one.querySelector('input[name="path"]'));
    if (event.shiftKey && from && to && sort === "input") selection.set([to.value], from.checked);
  }

  list.addEventListener("click", (event) => { if (event.isTrusted) isRange = event.shiftKey; }, true);
  list.addEventListener("mousedown", (event) => { if (event.shiftKey) event.preventDefault(); });
  list.addEventListener("change", (event) => {
    if (event.target === all) selection.set(boxes.map((box) => box.value), all.checked);
    else if (boxes.includes(event.target)) tick(event.target);
  });
  list.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches('input[type="checkbox"]')) {
      event.preventDefault();
      event.target.closest("tbody tr")?.querySelector(".name a")?.click();
    } else move(event);
  });
  byId("tick-whole").addEventListener("click", () => {
    selection.set([whole], true);
    all.focus();
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") (boxes[0] ?? list).focus();
  });
  selection.addEventListener("change", show);
  addEventListener("pageshow", show);
  all.hidden = boxes.length === 0;
  // What was ticked before this was loaded. (Browsers restore no ticks here: the form has autocomplete="off".)
  selection.set(boxes.filter((box) => box.checked).map((box) => box.value), true);
  show();
}
