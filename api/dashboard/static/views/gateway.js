// One SMS gateway: whether it goes, what it holds and why, and the switches.

import { ask } from "../api.js";
import { confirm, open } from "../dialog.js";
import { gatewayForm } from "../gateway_form.js";
import { at, plural, whole } from "../format.js";
import { attempt, notice } from "../notes.js";
import { fault } from "../parts.js";
import { go } from "../router.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { count, held, key, state } from "./gateways.js";

const FRESH_MS = 3000;

export function gateway(root, who) {
  let id = null;
  let shown = null;
  let now = null;
  let problem = null;
  let asked = 0;

  const url = () => `/api/v1/gateways/${encodeURIComponent(id)}`;
  const patch = (body) => ask(url(), { method: "PATCH", body });

  async function load() {
    asked = Date.now();
    try {
      const [one, waiting] = await Promise.all([ask(url()), held()]);
      [shown, now, problem] = [one, waiting.get(key(one)) ?? null, null];
    } catch (error) {
      problem = error;
    }
    draw();
  }

  async function change() {
    await attempt(async () => {
      const { presets } = await ask("/api/v1/gateway-presets");
      if (await gatewayForm(presets, shown, { admin: who.role === "admin", submit: patch })) notice("Changed; what waited for it goes.");
    });
    await load();
  }

  async function toggle() {
    const { enabled } = shown;
    if (await attempt(() => patch({ enabled: !enabled }))) notice(enabled ? "Disabled: messages go by others, or wait." : "Enabled.");
    await load();
  }

  async function release() {
    await attempt(async () => {
      if (now.hold) await ask(`/api/v1/holds/${now.hold.id}/release`, { method: "POST" });
      // A change ends what held it, and wakes what waited, also one that changes nothing.
      await patch({ enabled: shown.enabled });
      notice("Released: what waited for it is tried again.");
    });
    await load();
  }

  async function remove() {
    const sure = await confirm({
      title: `Delete the gateway ${shown.name}?`,
      text: "Messages go by others, where one takes them, or wait for one of this name. Its credentials are gone then.",
      action: "Delete it",
      danger: true,
    });
    if (sure && (await attempt(() => ask(url(), { method: "DELETE" })))) {
      notice("Deleted.");
      go("gateways");
    }
  }

  async function test() {
    const sent = await open({
      title: `Send a text message by ${shown.name}`,
      action: "Send it",
      body: html`<div class="fields">
          <label class="whole">To <input name="recipient" type="tel" required maxlength="64" placeholder="+4915112345678" /></label>
          <label class="whole">Text <textarea name="content" rows="3" required>A test of tidings.</textarea></label>
        </div>
        <p class="hint">It is sent for real${shown.price ? `, for ${shown.price} a part` : nothing}.</p>`,
      submit: (given) => ask("/api/v1/messages", { method: "POST", body: { channel: "sms", ...given, gateway: key(shown) } }),
    });
    if (sent) go(`messages/${sent.id}`);
  }

  function draw() {
    render(
      html`<div class="head">
          <h1 class="long">${shown ? shown.name : "Gateway"}</h1>
          ${shown ? html`${state(shown, now)}${buttons()}` : nothing}
        </div>
        ${fault(problem)}
        ${shown ? html`${now ? trouble() : nothing}
              <section class="card" aria-labelledby="facts">
                <h2 id="facts">Facts</h2>
                <div class="card-body">${facts(shown)}</div>
              </section>`
          : nothing}`,
      root,
    );
  }

  function buttons() {
    return html`<div class="actions">
      ${now ? html`<button class="primary" @click=${release}>Release</button>` : nothing}
      <button ?disabled=${!shown.enabled} @click=${test}>Test message…</button>
      <button @click=${change}>Change…</button>
      <button @click=${toggle}>${shown.enabled ? "Disable" : "Enable"}</button>
      <button class="danger" @click=${remove}>Delete…</button>
    </div>`;
  }

  function trouble() {
    const waits = now.count ? `${count(now)} ${now.count === 1 ? "message waits" : "messages wait"} for it` : "Nothing goes to it until it is released";
    return html`<p class="alert below-gap">Held${now.error ? html`: ${now.error}` : nothing}. ${waits}; no attempt is used up. Mend it with “Change…”, or release it.</p>`;
  }

  return {
    title: "Gateway",
    within: "gateways",
    show(route) {
      id = route.id;
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

function facts(one) {
  const rows = [
    ["Id", html`<code>${one.id}</code>`],
    ["Preset", one.preset ?? "none: it says itself how it is spoken to"],
    ["Otherwise", one.preset && one.spec ? html`<code>${JSON.stringify(one.spec)}</code>` : nothing],
    ["Base URL", one.base_url || "as its preset has it"],
    ["Credentials", one.credentials.join(", ") || "none"],
    ["From", one.from.join(", ") || "none"],
    ["For", `${one.prefixes?.join(", ") ?? "all numbers"}, weight ${one.weight}${one.short_codes ? ", short codes too" : ""}`],
    ["Whose messages", one.shared ? (one.users ? plural(one.users.length, "user") : "of all users") : "its owner's"],
    ["Pace", one.per_second ? `${whole(one.per_second)} a second` : "no limit of its own"],
    ["At a time", one.concurrency ?? nothing],
    ["In doubt", one.allow_duplicates ? "another gateway may send it twice" : "waits for this gateway"],
    ["Price", one.price ? `${one.price} a part` : nothing],
    ["Reports go to", one.receipt_url ? html`<code>${one.receipt_url}</code>` : "nowhere: PUBLIC_URL is not set"],
    ["Added", at(one.created_at)],
    ["Changed", at(one.updated_at)],
  ];
  return html`<dl class="facts">${rows.filter(([, value]) => value !== nothing).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}
