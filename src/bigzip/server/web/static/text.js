// Numbers, sizes and times as people read them, and elements made of text: nothing here ever parses HTML.

const UNITS = ["kB", "MB", "GB", "TB", "PB"];
const DIVISIONS = [
  [60, "second"], [60, "minute"], [24, "hour"], [7, "day"], [4.35, "week"], [12, "month"], [Infinity, "year"],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

export const number = (value) => value.toLocaleString("en");

export const counted = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;

/** A size in bytes: "1.5 MB"; units of 1000, as the server writes them. */
export function size(bytes) {
  if (bytes < 1000) return counted(bytes, "byte", "bytes");
  let value = bytes / 1000;
  for (const unit of UNITS) {
    if (value < 999.5) return `${value.toFixed(value < 99.95 ? 1 : 0)} ${unit}`;
    value /= 1000;
  }
  return `${value.toFixed(1)} EB`;
}

/** A time as its distance from now: "in 3 hours", "5 minutes ago". */
export function fromNow(time) {
  let distance = (new Date(time) - Date.now()) / 1000;
  for (const [length, unit] of DIVISIONS) {
    if (Math.abs(distance) < length) return relative.format(Math.round(distance), unit);
    distance /= length;
  }
  return "";
}

export const at = (time) => absolute.format(new Date(time));

/** An element with properties, and with children that are elements or text. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export const byId = (id) => document.getElementById(id);
