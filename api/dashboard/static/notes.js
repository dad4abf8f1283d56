// What came of an action: said once, at the bottom of the page, and by a screen reader.

import { html, render } from "./vendor/lit-html/lit-html.js";

const SECONDS = 6;
const place = document.getElementById("notes");
let timer;

export function notice(text, kind = "good") {
  clearTimeout(timer);
  render(html`<p class="note ${kind}">${text}</p>`, place);
  timer = setTimeout(() => render(html``, place), SECONDS * 1000);
}

export async function attempt(action) {
  // Runs it; a problem is shown rather than thrown. Returns whether all went well.
  try {
    await action();
    return true;
  } catch (problem) {
    notice(problem.message, "bad");
    return false;
  }
}
