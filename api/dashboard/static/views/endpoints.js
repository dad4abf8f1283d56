// Webhook endpoints: how each does, adding one, and an event to try them with.

import { ask, path } from "../api.js";
import { open } from "../dialog.js";
import { endpointForm, requested, showSecret } from "../endpoint_form.js";
import { ago, percent, whole } from "../format.js";
import { badge, empty, fault } from "../parts.js";
import { go, link } from "../router.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";

const BASE = "/api/v1/endpoints";
const SIZE = 25;
const FRESH_MS = 5000;
const WHY = { requested: "by request", gone: "its receiver answered 410", failing: "nothing but failures" };

export function state(endpoint) {
  // In one word, how an endpoint is, and a line that says more.
  const { disabled_at: disabled, disabled_reason: reason, failing_since: failing } = endpoint;
  if (disabled) return { tone: reason === "requested" ? "pending" : "bad", word: "disabled", text: html`since ${ago(disabled)}, ${WHY[reason]}` };
  if (failing) return { tone: "warn", word: "failing", text: html`since ${ago(failing)}` };
  return { tone: "good", word: "on", text: nothing };
}

export function wants({ event_types: types, customer }) {
  const whose = customer === "*" ? "of all customers" : customer ? `of ${customer}` : "of no customer";
  return `${types ? types.join(", ") : "all events"} ${whose}`;
}

export function endpoints(root) {
  let page = null;
  let cursors = [];
  let traffic = new Map();
  let problem = null;
  let asked = 0;
  let loading = new AbortController();

  async function load() {
    loading.abort();
    loading = new AbortController();
    const { signal } = loading;
    asked = Date.now();
    try {
      page = await ask(path(BASE, { limit: SIZE, cursor: cursors.at(-1) }), { signal });
      problem = null;
      draw();
      // The list says what endpoints are; what becomes of their messages is counted for each by itself.
      const counted = await Promise.allSettled(page.endpoints.map(({ id }) => ask(`${BASE}/${id}`, { signal })));
      for (const { value } of counted) if (value) traffic.set(value.id, value.traffic);
    } catch (error) {
      problem = error;
    }
    if (!signal.aborted) draw();
  }

  function turn(next) {
    cursors = next;
    traffic = new Map();
    load();
  }

  async function add() {
    const made = await open({
      title: "New endpoint",
      action: "Add endpoint",
      body: endpointForm(null),
      submit: (given) => ask(BASE, { method: "POST", body: requested(given) }),
    });
    if (!made) return;
    await showSecret(made.secret);
    go(`endpoints/${made.id}`);
  }

  async function send() {
    const event = await open({
      title: "Send an event",
      action: "Send it",
      body: eventForm(),
      submit: ({ type, customer, payload }) =>
        ask("/api/v1/events", { method: "POST", body: { type, customer: customer || null, payload: parsed(payload) } }),
    });
    if (event) go(`events/${event.id}`);
  }

  function draw() {
    render(
      html`<div class="head">
          <h1>Endpoints</h1>
          <div class="actions">
            <button @click=${send}>Send an event…</button>
            <button class="primary" @click=${add}>New endpoint…</button>
          </div>
        </div>
        ${fault(problem)}
        ${page ? html`<section class="card" aria-label="Endpoints">${table()}${pager()}</section>` : nothing}
        <p class="hint below">
          An event goes to every endpoint that wants its type and its customer, as a signed webhook. What a disabled endpoint has not got is kept,
          and sent when it is enabled and asks for it.
        </p>`,
      root,
    );
  }

  function pager() {
    if (!cursors.length && !page.next_cursor) return nothing;
    return html`<nav class="pager" aria-label="Pages">
      <span class="where" role="status">Page ${cursors.length + 1}, newest first</span>
      <button ?disabled=${!cursors.length} @click=${() => turn(cursors.slice(0, -1))}>‹ Newer</button>
      <button ?disabled=${!page.next_cursor} @click=${() => turn([...cursors, page.next_cursor])}>Older ›</button>
    </nav>`;
  }

  function table() {
    if (!page.endpoints.length) return empty("No endpoints yet.", "Add the URL of a receiver; events go there as signed webhooks.");
    return html`<table class="messages">
      <caption class="hidden">Endpoints, newest first</caption>
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">Endpoint</th>
          <th scope="col" class="number">Success</th>
          <th scope="col" class="number wide">Waiting</th>
          <th scope="col" class="number wide">Held</th>
        </tr>
      </thead>
      <tbody>
        ${repeat(page.endpoints, ({ id }) => id, row)}
      </tbody>
    </table>`;
  }

  function row(endpoint) {
    const now = traffic.get(endpoint.id) ?? {};
    const { tone, word, text } = state(endpoint);
    return html`<tr>
      <td>${badge(tone, word)}</td>
      <td class="what">
        <a class="clip" href=${link(`endpoints/${endpoint.id}`)}>${endpoint.url}</a>
        <span class="clip muted">${endpoint.description ? `${endpoint.description} — ` : nothing}${wants(endpoint)}</span>
        ${text === nothing ? nothing : html`<span class="clip muted">${word} ${text}</span>`}
        ${endpoint.last_error ? html`<span class="clip bad-text" title=${endpoint.last_error}>${endpoint.last_error}, ${ago(endpoint.last_failed_at)}</span>` : nothing}
      </td>
      <td class="number" data-figure="success">${percent(now.success_rate)}</td>
      <td class="number wide" data-figure="waiting">${whole(now.waiting)}</td>
      <td class="number wide" data-figure="held">${whole(now.held)}</td>
    </tr>`;
  }

  return {
    title: "Endpoints",
    show() {
      draw();
      load();
    },
    live() {
      if (Date.now() - asked > FRESH_MS) load();
    },
    refresh: load,
    close: () => loading.abort(),
  };
}

const eventForm = () =>
  html`<div class="fields">
      <label>Type <input name="type" required maxlength="128" value="invoice.paid" spellcheck="false" /></label>
      <label>Customer <input name="customer" maxlength="200" placeholder="none" spellcheck="false" /></label>
      <label class="whole">Payload, any JSON <textarea name="payload" rows="6" required spellcheck="false">{"invoice": 4711}</textarea></label>
    </div>
    <p class="hint">It goes to every endpoint that wants this type and customer, for real.</p>`;

export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`payload: is not JSON: ${error.message}`);
  }
}
