// One message: why it is where it is, what it holds, and every attempt.

import { ask } from "../api.js";
import { confirm } from "../dialog.js";
import { ago, at, NONE, relative, span } from "../format.js";
import { attempt, notice } from "../notes.js";
import { badge, fault } from "../parts.js";
import { link } from "../router.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";

const FINAL = ["sent", "cancelled"];
const WAITING = ["pending", "failed"];
const OUTCOMES = { accepted: "accepted", retry: "failed, to be tried again", rejected: "rejected" };

export function message(root) {
  let id = null;
  let shown = null;
  let attempts = [];
  let why = null;
  let problem = null;
  let busy = false;

  async function load() {
    if (busy) return;
    busy = true;
    try {
      const base = `/api/v1/messages/${encodeURIComponent(id)}`;
      const [one, history, answer] = await Promise.all([ask(base), ask(`${base}/attempts`), ask(`${base}/explain`)]);
      [shown, attempts, why, problem] = [one, history.attempts, answer, null];
    } catch (error) {
      problem = error;
    }
    busy = false;
    draw();
  }

  async function act(action, said) {
    if (await attempt(() => ask(`/api/v1/messages/${id}/${action}`, { method: "POST" }))) notice(said);
    await load();
  }

  async function cancel() {
    const sure = await confirm({
      title: "Cancel this message?",
      text: "It will not be sent. It can be started again later.",
      action: "Cancel it",
      danger: true,
    });
    if (sure) await act("cancel", "Cancelled.");
  }

  function draw() {
    render(
      html`<div class="head">
          <h1>${shown ? html`To ${shown.recipient}` : "Message"}</h1>
          ${shown ? badge(shown.status) : nothing}
          ${shown ? buttons(shown) : nothing}
        </div>
        ${fault(problem)}
        ${shown ? html`${reason(why)}
              <div class="two">
                <div class="stack">
                  <section class="card" aria-labelledby="history">
                    <h2 id="history">What happened</h2>
                    ${timeline(shown, attempts)}
                  </section>
                </div>
                <div class="stack">
                  <section class="card" aria-labelledby="content">
                    <h2 id="content">${shown.subject ?? "Content"}</h2>
                    <div class="card-body"><pre class="content" tabindex="0">${shown.content}</pre></div>
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

  function buttons({ status, held_reason: held }) {
    return html`<div class="actions">
      ${["failed", "cancelled"].includes(status) || held
        ? html`<button class="primary" @click=${() => act("retry", status === "cancelled" ? "Started again." : "Due now.")}>
            ${status === "cancelled" ? "Retry" : "Try now"}
          </button>`
        : nothing}
      ${WAITING.includes(status) ? html`<button class="danger" @click=${cancel}>Cancel…</button>` : nothing}
    </div>`;
  }

  return {
    title: "Message",
    show(route) {
      id = route.id;
      draw();
      load();
    },
    live() {
      if (shown && !FINAL.includes(shown.status)) load();
    },
    refresh: load,
    close() {},
  };
}

const reason = (why) =>
  html`<section class="card why" aria-label="Why it is where it is">
    <p class="summary">${why.summary}</p>
    <p class="next">${why.next ? html`Next: ${why.next.what}${why.next.at ? html`, ${relative(why.next.at)} (${at(why.next.at)})` : nothing}` : nothing}</p>
  </section>`;

function timeline(message, attempts) {
  return html`<ol class="timeline">
    <li><strong>Accepted</strong> <div class="when">${at(message.created_at)}</div></li>
    ${attempts.map(
      (one) => html`<li class=${one.outcome}>
        <strong>Attempt ${one.try}: ${OUTCOMES[one.outcome]}</strong>
        ${one.status_code ? html`<span class="muted">· ${one.status_code}</span>` : nothing}
        <div class="when">${at(one.started_at)} · took ${span(one.duration)} · ${one.consumer}</div>
        ${one.error ? html`<p>${one.error}</p>` : nothing}
        ${one.answer ? html`<pre>${one.answer}</pre>` : nothing}
      </li>`,
    )}
    ${ending(message)}
  </ol>`;
}

function ending(message) {
  switch (message.status) {
    case "sent":
      return html`<li class="accepted"><strong>Sent</strong> <div class="when">${at(message.sent_at)}</div></li>`;
    case "cancelled":
      return html`<li class="rejected"><strong>Cancelled: ${message.cancel_reason}</strong></li>`;
    case "processing":
      return html`<li><strong>On its way</strong></li>`;
    default:
      return html`<li><strong>${message.tries ? "To be tried again" : "Due"} ${relative(message.due_at)}</strong> <div class="when">${at(message.due_at)}</div></li>`;
  }
}

function facts(message) {
  const rows = [
    ["Id", html`<code>${message.id}</code>`],
    ["Channel", message.channel],
    ["Endpoint", message.endpoint_id ? html`<a href=${link(`endpoints/${message.endpoint_id}`)}>${message.endpoint_id}</a>` : nothing],
    ["Event", message.event_id ? html`<a href=${link(`events/${message.event_id}`)}>${message.event_id}</a>` : nothing],
    ["Gateway", message.gateway ?? nothing],
    ["Parts", message.parts ?? nothing],
    ["Last error", message.last_error ?? nothing],
    ["Queue", message.queue],
    ["Priority", message.priority],
    ...(message.held_reason ? [["Held by", html`${message.held_reason.replaceAll("_", " ")}, since ${at(message.held_since)}`]] : []),
    ...(message.receipt ? [["Receipt", html`${message.receipt}, ${at(message.receipt_at)}${message.receipt_detail ? `: ${message.receipt_detail}` : nothing}`]] : []),
    ["Tries", `${message.tries} of ${message.max_tries}`],
    ["Accepted", ago(message.created_at)],
    ["Expires", message.expires_at ? at(message.expires_at) : "never"],
    ["Provider's id", message.provider_message_id ? html`<code>${message.provider_message_id}</code>` : NONE],
    ["Recoveries", message.recoveries || nothing],
    ["Headers", message.headers ? html`<code>${Object.entries(message.headers).map(([name, value]) => `${name}: ${value}`).join("\n")}</code>` : nothing],
  ];
  return html`<dl class="facts">
    ${rows.filter(([, value]) => value !== nothing).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
  </dl>`;
}
