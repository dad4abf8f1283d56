// SMS gateways: whether each goes, what it holds, and adding one.

import { ask, path } from "../api.js";
import { gatewayForm } from "../gateway_form.js";
import { percent, whole } from "../format.js";
import { badge, empty, fault } from "../parts.js";
import { go, link } from "../router.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";

const BASE = "/api/v1/gateways";
const FRESH_MS = 5000;
const COUNTED = 500;

export const key = ({ name, shared }) => (shared ? name : `me/${name}`);

export async function held(signal) {
  // By gateway: what waits for it, up to COUNTED, with what went wrong, and the hold that somebody has to release.
  const messages = (reason) => ask(path("/api/v1/messages", { channel: "sms", held: reason, limit: COUNTED }), { signal });
  const [shared, own, { holds }] = await Promise.all([messages("gateway"), messages("account"), ask("/api/v1/holds", { signal })]);
  const found = new Map();
  const entry = (name) => found.get(name) ?? found.set(name, { count: 0, error: null, hold: null, more: false }).get(name);
  for (const page of [shared, own]) {
    for (const { gateway, last_error: error } of page.messages) {
      const one = entry(gateway);
      one.count += 1;
      one.error ??= error;
      one.more ||= page.next_cursor !== null;
    }
  }
  for (const hold of holds) if (hold.channel === "sms") Object.assign(entry(hold.endpoint), { hold, error: hold.last_error });
  return found;
}

export function state(gateway, now) {
  if (!gateway.enabled) return badge("pending", "disabled");
  return now?.count || now?.hold ? badge("bad", "held") : badge("good", "on");
}

export const count = (now) => (now ? `${whole(now.count)}${now.more ? " or more" : ""}` : "0");

export function gateways(root, who) {
  let all = null;
  let waiting = new Map();
  let problem = null;
  let asked = 0;

  async function load() {
    asked = Date.now();
    try {
      [{ gateways: all }, waiting] = await Promise.all([ask(BASE), held()]);
      problem = null;
    } catch (error) {
      problem = error;
    }
    draw();
  }

  async function add() {
    let presets;
    try {
      ({ presets } = await ask("/api/v1/gateway-presets"));
    } catch (error) {
      problem = error;
      return draw();
    }
    const made = await gatewayForm(presets, null, { admin: who.role === "admin", submit: (body) => ask(BASE, { method: "POST", body }) });
    if (made) go(`gateways/${made.id}`);
  }

  function draw() {
    render(
      html`<div class="head">
          <h1>Gateways</h1>
          <div class="actions"><button class="primary" @click=${add}>New gateway…</button></div>
        </div>
        ${fault(problem)}
        ${all ? html`<section class="card" aria-label="Gateways">${table()}</section>` : nothing}
        <p class="hint below">
          A text message goes through the gateway for the longest prefix of its number; among those of one prefix, weights decide. One whose
          credentials are refused, or whose credit is used up, is held: no attempt is used up, and others take what they can.
        </p>`,
      root,
    );
  }

  function table() {
    if (!all.length) return empty("No gateways yet.", html`Add a provider’s account. That of <code class="command">WEBHOOK_URL</code> or <code class="command">SMS_GATEWAYS</code> is configured, and not listed here.`);
    const weights = new Map();
    for (const each of all) for (const prefix of each.prefixes ?? [""]) weights.set(prefix, (weights.get(prefix) ?? 0) + (each.enabled ? each.weight : 0));
    return html`<table class="messages">
      <caption class="hidden">Gateways, those for all users first</caption>
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">Gateway</th>
          <th scope="col" class="wide">For</th>
          <th scope="col" class="wide">From</th>
          <th scope="col" class="number">Held</th>
        </tr>
      </thead>
      <tbody>
        ${repeat(all, ({ id }) => id, (one) => row(one, weights))}
      </tbody>
    </table>`;
  }

  function row(one, weights) {
    const now = waiting.get(key(one));
    const part = (prefix) => (weights.get(prefix) && one.enabled ? percent(one.weight / weights.get(prefix)) : "0 %");
    return html`<tr>
      <td>${state(one, now)}</td>
      <td class="what">
        <a class="clip" href=${link(`gateways/${one.id}`)}>${one.name}</a>
        <span class="clip muted">${one.preset ?? "of its own making"}${one.shared ? ", for all users" : ", own"}${one.price ? `, ${one.price} a part` : nothing}</span>
        ${now?.error ? html`<span class="clip bad-text" title=${now.error}>${now.error}</span>` : nothing}
      </td>
      <td class="wide">${(one.prefixes ?? [""]).slice(0, 3).map((prefix) => html`<span class="clip">${prefix || "all"} <span class="muted">${part(prefix)}</span></span>`)}</td>
      <td class="wide">${one.from[0] ?? nothing}${one.from.length > 1 ? html` <span class="muted">and ${whole(one.from.length - 1)} more</span>` : nothing}</td>
      <td class="number" data-figure="held">${count(now)}</td>
    </tr>`;
  }

  return {
    title: "Gateways",
    show() {
      draw();
      load();
    },
    live() {
      if (Date.now() - asked > FRESH_MS) load();
    },
    refresh: load,
    close() {},
  };
}
