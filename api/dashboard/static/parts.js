// Small pieces that several views show.

import { html, nothing } from "./vendor/lit-html/lit-html.js";

export const badge = (status, text = status) => html`<span class="badge ${status}">${text}</span>`;

export const empty = (title, text) => html`<div class="empty"><strong>${title}</strong>${text}</div>`;

export const fault = (problem) =>
  problem ? html`<p class="alert" role="alert">${problem.message}</p>` : nothing;

// A table that is wider than the page scrolls by itself, by keyboard too.
export const scroll = (label, table) =>
  html`<div class="scroll" role="group" tabindex="0" aria-label=${label}>${table}</div>`;
