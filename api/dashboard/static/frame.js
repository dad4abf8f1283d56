// The bar: where one is, whether the overview is live, light or dark, and who one is.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";

const TITLES = { overview: "Overview", messages: "Messages", endpoints: "Endpoints", gateways: "Gateways", queues: "Queues", consumers: "Consumers" };
const PULSE = { live: "live", lost: "reconnecting…", connecting: "connecting…" };

export function drawFrame({ views, view, who, pulse, logOut }) {
  const theme = document.documentElement.dataset.theme;
  render(
    html`<div class="bar-inside">
      <a class="brand" href="#/"><img src="/dashboard/static/icon.svg" width="22" height="22" alt="" />tidings</a>
      ${who
        ? html`<nav class="nav" aria-label="Views">
            <ul>
              ${views.map((name) => html`<li><a href="#/${name}" aria-current=${name === view ? "page" : nothing}>${TITLES[name]}</a></li>`)}
            </ul>
          </nav>`
        : nothing}
      <div class="side">
        ${who?.role === "admin" ? html`<span class="pulse ${pulse}" role="status">${PULSE[pulse]}</span>` : nothing}
        <button class="plain small" @click=${() => dispatchEvent(new Event("choose-theme"))} aria-label="Colours: ${theme}">
          ${{ system: "◐ Auto", light: "○ Light", dark: "● Dark" }[theme]}
        </button>
        ${who?.email
          ? html`<span class="who" title=${who.email}>${who.email}</span>
              <button class="plain small" @click=${logOut}>Log out</button>`
          : nothing}
      </div>
    </div>`,
    document.getElementById("bar"),
  );
}
