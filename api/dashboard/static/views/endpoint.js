// One webhook endpoint: how it does, what it is sent, and the switches.

import { ask } from "../api.js";
import { confirm, open } from "../dialog.js";
import { endpointForm, requested, showSecret } from "../endpoint_form.js";
import { ago, at, percent, plural, whole } from "../format.js";
import { attempt, notice } from "../notes.js";
import { badge, fault } from "../parts.js";
import { go } from "../router.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { parsed, state, wants } from "./endpoints.js";

const FRESH_MS = 3000;

export function endpoint(root) {
  let id = null;
  let shown = null;
  let problem = null;
  let asked = 0;

  const url = (action) => `/api/v1/endpoints/${encodeURIComponent(id)}${action ? `/${action}` : ""}`;
  const post = (action, body = {}) => ask(url(action), { method: "POST", body });

  async function load() {
    asked = Date.now();
    try {
      shown = await ask(url());
      problem = null;
    } catch (error) {
      problem = error;
    }
    draw();
  }

  async function change() {
    const body = endpointForm(shown);
    const submit = (given) => ask(url(), { method: "PATCH", body: requested(given) });
    if (await open({ title: "Change this endpoint", action: "Change it", body, submit })) notice("Changed; what waits goes by it.");
    await load();
  }

  async function toggle() {
    const { disabled_at: disabled } = shown;
    await attempt(async () => {
      const { messages } = await post(disabled ? "enable" : "disable");
      notice(disabled ? `Enabled; ${plural(messages, "message")} that waited for it will be sent.` : "Disabled: what waits is held, and new events pass it by.");
    });
    await load();
  }

  async function rotate() {
    const made = await open({
      title: "Rotate the signing secret?",
      action: "Rotate it",
      body: html`<p>A new secret signs from now on; for 24 hours the one before signs too, so that the receiver has the time to change.</p>
        <div class="fields"><label class="whole">New secret <input name="secret" autocomplete="off" spellcheck="false" placeholder="one is made; or your own, whsec_…" /></label></div>`,
      submit: ({ secret }) => post("secret/rotate", { secret: secret || null }),
    });
    if (made) await showSecret(made.secret);
    await load();
  }

  async function remove() {
    const sure = await confirm({
      title: "Delete this endpoint?",
      text: "What waits for it is cancelled, and it gets no more events. This cannot be undone.",
      action: "Delete it",
      danger: true,
    });
    if (sure && (await attempt(async () => notice(`Deleted; cancelled: ${plural((await ask(url(), { method: "DELETE" })).cancelled, "message")}.`)))) {
      go("endpoints");
    }
  }

  async function test() {
    const sent = await open({
      title: "Send a test event",
      action: "Send it",
      body: html`<div class="fields">
          <label class="whole">Type <input name="type" required maxlength="128" value="tidings.test" spellcheck="false" /></label>
          <label class="whole">Payload, any JSON <textarea name="payload" rows="4" spellcheck="false" placeholder='one that says it is a test'></textarea></label>
        </div>
        <p class="hint">To this endpoint alone, whatever types it takes.</p>`,
      submit: ({ type, payload }) => post("test", { type, ...(payload.trim() ? { payload: parsed(payload) } : {}) }),
    });
    if (sent) go(`messages/${sent.message_id}`);
  }

  async function again() {
    const messages = await open({
      title: "Send events again",
      action: "Send them",
      body: html`<div class="fields">
          <label class="whole">Which
            <select name="which">
              <option value="missing">what it has not got</option>
              <option value="failed">what was cancelled</option>
              <option value="all">all, also what was sent</option>
            </select>
          </label>
          <label>Since <input name="since" type="datetime-local" step="1" required .value=${local(Date.now() - 3_600_000)} /></label>
          <label>Until <input name="until" type="datetime-local" step="1" /></label>
        </div>
        <p class="hint">Events keep their <code>webhook-id</code>, by which a receiver knows those that it has. What still waits is not sent twice.</p>`,
      submit: sendAgain,
    });
    if (messages !== null) notice(messages ? `${plural(messages, "event")} will be sent again.` : "There is nothing to send again.");
    await load();
  }

  async function sendAgain({ which, since, until }) {
    // Part after part, until the API has looked at all of them.
    const span = { since: new Date(since).toISOString(), until: until ? new Date(until).toISOString() : new Date().toISOString() };
    let count = 0;
    for (let cursor = null; ; ) {
      const answer = await (which === "missing" ? post("recover", { ...span, cursor }) : post("replay", { ...span, which, cursor }));
      count += answer.messages;
      cursor = answer.next_cursor;
      if (!cursor) return count;
    }
  }

  function draw() {
    render(
      html`<div class="head">
          <h1 class="long">${shown ? shown.url : "Endpoint"}</h1>
          ${shown ? html`${badge(state(shown).tone, state(shown).word)}${buttons()}` : nothing}
        </div>
        ${fault(problem)}
        ${shown ? html`${trouble(shown)}${traffic(shown.traffic)}
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
      <button ?disabled=${shown.disabled_at} @click=${test}>Test event…</button>
      <button ?disabled=${shown.disabled_at} @click=${again}>Send again…</button>
      <button @click=${rotate}>Rotate secret…</button>
      <button @click=${change}>Change…</button>
      <button class=${shown.disabled_at ? "primary" : ""} @click=${toggle}>${shown.disabled_at ? "Enable" : "Disable"}</button>
      <button class="danger" @click=${remove}>Delete…</button>
    </div>`;
  }

  return {
    title: "Endpoint",
    within: "endpoints",
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

function trouble(one) {
  if (one.disabled_at) {
    return html`<p class="alert below-gap">Disabled ${state(one).text}. What waits is held. Enable it, then “Send again…” what passed it by.</p>`;
  }
  if (one.failing_since) return html`<p class="alert warn below-gap">Every attempt has failed ${state(one).text}${one.last_error ? `: ${one.last_error}` : nothing}.</p>`;
  return nothing;
}

function traffic({ success_rate: success, waiting, held, sent, failed, cancelled, last_sent_at: last }) {
  const all = sent + failed + cancelled;
  const step = (name, figure, value, meaning) =>
    html`<div class="step"><dt>${name}</dt><dd><div class="value" data-figure=${figure}>${value}</div><div class="meaning">${meaning}</div></dd></div>`;
  return html`<section class="card below-gap" aria-label="What becomes of its messages">
    <dl class="way">
      ${step("Success", "success", percent(success), all ? `of its last ${plural(all, "message")}` : "nothing was sent yet")}
      ${step("Waiting", "waiting", whole(waiting), "due, or to be tried again")}
      ${step("Held", "held", whole(held), "of these, for something else")}
      ${step("Cancelled", "cancelled", whole(cancelled), "of the last")}
      ${step("Last sent", "last", ago(last), failed ? `${whole(failed)} of the last are to be tried again` : "")}
    </dl>
  </section>`;
}

function facts(one) {
  const headers = one.headers === null ? "cannot be read: SECRET_KEYS do not open them" : Object.keys(one.headers).join(", ");
  const rows = [
    ["Id", html`<code>${one.id}</code>`],
    ["Of", one.user_id === null ? "the operator" : html`<code>${one.user_id}</code>`],
    ["Description", one.description || nothing],
    ["Takes", wants(one)],
    ["Channels", one.channels?.join(", ") ?? nothing],
    ["Pace", one.rate_limit ? `${whole(one.rate_limit)} a second` : "no limit of its own"],
    ["Tries", one.max_tries ?? nothing],
    ["Retries after", one.retry ? `${one.retry.delays.join(", ")} s` : "as webhooks are"],
    ["Credentials", one.credentials ?? "none"],
    ["Headers", headers || "none"],
    ["Client certificate", one.has_client_certificate ? "yes" : "none"],
    ["Last error", one.last_error ? html`${one.last_error}, ${ago(one.last_failed_at)}` : "none"],
    ["Secret before", one.previous_secret_until ? html`signs too until ${at(one.previous_secret_until)}` : nothing],
    ["Added", at(one.created_at)],
    ["Changed", at(one.updated_at)],
  ];
  return html`<dl class="facts">${rows.filter(([, value]) => value !== nothing).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

function local(time) {
  const date = new Date(time);
  return new Date(time - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}
