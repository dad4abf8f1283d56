// One event: what it says, and what became of it at each endpoint.

import { ask } from "../api.js";
import { confirm } from "../dialog.js";
import { ago, at, plural, relative } from "../format.js";
import { attempt, notice } from "../notes.js";
import { badge, empty, fault } from "../parts.js";
import { link } from "../router.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";

const FINAL = ["sent", "cancelled"];

export function event(root) {
  let id = null;
  let shown = null;
  let problem = null;
  let busy = false;

  const url = () => `/api/v1/events/${encodeURIComponent(id)}`;

  async function load() {
    if (busy) return;
    busy = true;
    try {
      shown = await ask(url());
      problem = null;
    } catch (error) {
      problem = error;
    }
    busy = false;
    draw();
  }

  async function replay(body, whom) {
    const sure = await confirm({
      title: "Send this event again?",
      text: `It goes once more to ${whom}, with the same webhook-id; not where it still waits.`,
      action: "Send it",
    });
    if (!sure) return;
    await attempt(async () => notice(`Sent again: ${plural((await ask(`${url()}/replay`, { method: "POST", body })).messages, "message")}.`));
    await load();
  }

  function draw() {
    render(
      html`<div class="head">
          <h1 class="long">${shown ? shown.type : "Event"}</h1>
          ${shown ? html`<div class="actions"><button @click=${() => replay({}, "all endpoints that want it now")}>Send again to all…</button></div>` : nothing}
        </div>
        ${fault(problem)}
        ${shown
          ? html`<div class="two">
              <section class="card" aria-labelledby="deliveries">
                <div class="card-head"><h2 id="deliveries">Deliveries</h2><span class="muted">${plural(shown.messages, "message")}</span></div>
                ${shown.deliveries.length ? table() : empty("No endpoint wanted it.", "None takes this type and customer, or it was disabled.")}
              </section>
              <div class="stack">
                <section class="card" aria-labelledby="payload">
                  <h2 id="payload">Payload</h2>
                  <div class="card-body"><pre class="content" tabindex="0">${JSON.stringify(shown.payload, null, 2)}</pre></div>
                </section>
                <section class="card" aria-labelledby="facts">
                  <h2 id="facts">Facts</h2>
                  <div class="card-body">${facts(shown)}</div>
                </section>
              </div>
            </div>`
          : nothing}`,
      root,
    );
  }

  function table() {
    return html`<table class="deliveries">
      <caption class="hidden">What became of it at each endpoint</caption>
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Endpoint</th>
          <th scope="col" class="number wide">Tries</th>
          <th scope="col" class="number wide">When</th>
          <th scope="col"><span class="hidden">Actions</span></th>
        </tr>
      </thead>
      <tbody>
        ${repeat(shown.deliveries, (one) => one.id, row)}
      </tbody>
    </table>`;
  }

  function row(one) {
    return html`<tr>
      <td><a class="quiet" href=${link(`messages/${one.id}`)} aria-label="Message to ${one.recipient}: ${one.status}">${badge(one.status)}</a></td>
      <td class="what">
        ${one.endpoint_id ? html`<a class="clip" href=${link(`endpoints/${one.endpoint_id}`)}>${one.recipient}</a>` : html`<span class="clip">${one.recipient}</span>`}
        ${why(one) ? html`<span class="clip muted" title=${why(one)}>${why(one)}</span>` : nothing}
      </td>
      <td class="number wide">${one.tries}</td>
      <td class="number wide">${one.sent_at ? ago(one.sent_at) : one.status === "cancelled" ? nothing : relative(one.due_at)}</td>
      <td class="number">
        ${one.endpoint_id && FINAL.includes(one.status)
          ? html`<button class="small" @click=${() => replay({ endpoint_id: one.endpoint_id }, one.recipient)} aria-label="Send again to ${one.recipient}">Again…</button>`
          : nothing}
      </td>
    </tr>`;
  }

  return {
    title: "Event",
    within: "endpoints",
    show(route) {
      id = route.id;
      draw();
      load();
    },
    live() {
      if (shown?.deliveries.some(({ status }) => !FINAL.includes(status))) load();
    },
    refresh: load,
    close() {},
  };
}

function why({ held_reason: held, cancel_reason: cancelled, last_error: error }) {
  return [held && `held: ${held.replaceAll("_", " ")}`, cancelled && `cancelled: ${cancelled}`, error].filter(Boolean).join(" · ");
}

function facts(one) {
  const rows = [
    ["Id", html`<code>${one.id}</code>`],
    ["Customer", one.customer ?? "none"],
    ["Channels", one.channels?.join(", ") ?? nothing],
    ["Accepted", html`${at(one.created_at)} (${ago(one.created_at)})`],
  ];
  return html`<dl class="facts">${rows.filter(([, value]) => value !== nothing).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}
