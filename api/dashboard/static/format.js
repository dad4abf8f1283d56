// Numbers, times and spans of time, as people read them.

import { html } from "./vendor/lit-html/lit-html.js";

const WHOLE = new Intl.NumberFormat("en");
const ONE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export const NONE = "–";

export const whole = (number) => (number === null || number === undefined ? NONE : WHOLE.format(number));

export function percent(part) {
  // Rounded down: 100 % is all of it.
  if (part === null || part === undefined) return NONE;
  return `${ONE.format(Math.floor(part * 1000) / 10)} %`;
}

export function rate(perSecond) {
  if (perSecond === null || perSecond === undefined) return NONE;
  return perSecond > 0 && perSecond < 0.05 ? "<0.1" : (perSecond < 100 ? ONE : WHOLE).format(perSecond);
}

export function span(seconds) {
  // A length of time in its largest sensible unit: 12 ms, 3.4 s, 5 min, 2 h, 3 days.
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 0.0005) return "0 ms";
  if (seconds < 1) return `${WHOLE.format(Math.round(seconds * 1000))} ms`;
  if (seconds < 60) return `${ONE.format(seconds)} s`;
  if (seconds < 3600) return `${ONE.format(seconds / 60)} min`;
  if (seconds < 172800) return `${ONE.format(seconds / 3600)} h`;
  return `${WHOLE.format(Math.round(seconds / 86400))} days`;
}

export function relative(text, now = Date.now()) {
  // How long ago, or in how long.
  const seconds = (now - Date.parse(text)) / 1000;
  if (Math.abs(seconds) < 1.5) return "now";
  const length = span(Math.abs(seconds) < 60 ? Math.round(Math.abs(seconds)) : Math.abs(seconds));
  return seconds > 0 ? `${length} ago` : `in ${length}`;
}

export const exact = (text) => DAY.format(new Date(text));

export const clock = (text) => CLOCK.format(new Date(text));

export const ago = (text) =>
  text ? html`<time datetime=${text} title=${exact(text)}>${relative(text)}</time>` : NONE;

export const at = (text) => (text ? html`<time datetime=${text} title=${text}>${exact(text)}</time>` : NONE);

export function pace({ interval_seconds: seconds, batch_size: size }) {
  // A queue's pace in words.
  if (!seconds) return "as soon as due";
  return size === null ? `all that is due, every ${span(seconds)}` : `${whole(size)} every ${span(seconds)}`;
}

export const plural = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;
