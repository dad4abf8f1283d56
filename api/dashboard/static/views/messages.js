// Messages: filter, page through, and cancel or retry all that match.

import { ask, path } from "../api.js";
import { confirm } from "../dialog.js";
import { ago, clock, plural, relative, whole } from "../format.js";
import { attempt, notice } from "../notes.js";
import { badge, empty, fault } from "../parts.js";
import { go, link } from "../router.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";

const STATUSES = ["pending", "processing", "sent", "failed", "cancelled"];
const CHANNELS = ["sms", "webhook", "email", "echo", "apprise"];
const RECEIPTS = ["delivered", "undelivered", "none"];
const HELD_REASONS = ["breaker", "host", "account", "gateway", "endpoint_disabled", "rate", "room", "disabled", "ours"];
const FILTERS = ["status", "channel", "queue", "recipient", "held", "receipt", "created_from", "created_until"];
const RETRIED = new Set([undefined, "failed", "cancelled"]);
const CANCELLED = new Set([undefined, "pending", "failed"]);
const SIZES = [50, 100, 500];
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

// The cursors of the pages before the one that is shown: outlives the view, so that "back" from a message comes here again.
const trail = { filter: "", size: SIZES[0], cursors: [] };

export function messages(root) {
  let query = {};
  let page = null;
  let problem = null;
  let queues = [];
  let channels = CHANNELS;
  let activity = "";
  let more = false;
  let loading = new AbortController();

  const filter = () => Object.fromEntries(FILTERS.filter((name) => query[name]).map((name) => [name, query[name]]));

  async function load() {
    loading.abort();
    loading = new AbortController();
    const { cursors, size } = trail;
    try {
      const asked = path("/api/v1/messages", { ...filter(), limit: size, cursor: cursors.at(-1) });
      page = { ...(await ask(asked, { signal: loading.signal })), cursors, size };
      problem = null;
    } catch (error) {
      if (error.name === "AbortError") return;
      problem = error;
    }
    draw();
  }

  ask("/api/v1/queues").then((answer) => {
    queues = answer.queues.map((queue) => queue.name);
    draw();
  }, () => {});

  function turn(cursors) {
    trail.cursors = cursors;
    load().then(() => root.querySelector("h1").scrollIntoView({ block: "nearest" }));
  }

  function search(event) {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.currentTarget.form ?? event.currentTarget));
    const text = given.search.trim();
    if (ID.test(text)) return go(`messages/${text}`);
    go("messages", {
      ...given,
      search: undefined,
      recipient: text,
      created_from: instant(given.created_from),
      created_until: instant(given.created_until),
    });
  }

  async function change(action) {
    const cancels = action === "cancel";
    const chosen = Object.entries(filter()).map(([name, value]) => `${name.replace("_", " ")} ${value}`);
    const sure = await confirm({
      title: cancels ? "Cancel all that match?" : "Retry all that match?",
      text: cancels
        ? `Every waiting message with ${chosen.join(", ")} will not be sent. What is on its way already, or was sent, stays as it is.`
        : `Every cancelled message with ${chosen.join(", ")} starts again, and every failed one is due now.`,
      action: cancels ? "Cancel them" : "Retry them",
      danger: cancels,
    });
    if (!sure) return;
    await attempt(async () => notice(`${cancels ? "Cancelled" : "Retried"}: ${plural(await changeAll(action, filter()), "message")}.`));
    await load();
  }

  function draw() {
    const { messages: shown, cursors, size, next_cursor: next } = page ?? { messages: [], cursors: [], size: trail.size };
    const number = cursors.length + 1;
    const first = cursors.length * size + 1;
    const filtered = Object.keys(filter()).length > 0;
    render(
      html`<div class="head">
          <h1>Messages</h1>
          ${filtered ? bulk() : nothing}
        </div>
        ${fault(problem)}
        <section class="card" aria-label="Messages">
          <form class="filters ${more ? "open" : ""}" role="search" @submit=${search} @change=${search}>
            <label class="search">Recipient or message id
              <input name="search" type="search" .value=${query.recipient ?? ""} placeholder="+4915112345678" spellcheck="false" autocomplete="off" />
            </label>
            ${choice("status", "Status", STATUSES, query.status)}
            <button type="button" class="narrow" aria-expanded=${more} @click=${() => { more = !more; draw(); }}>${more ? "Fewer" : "More"} filters</button>
            ${choice("channel", "Channel", channels, query.channel)}
            ${choice("queue", "Queue", queues, query.queue)}
            ${choice("held", "Held by", HELD_REASONS, query.held)}
            ${choice("receipt", "Receipt", RECEIPTS, query.receipt)}
            <label class="more">Accepted from <input name="created_from" type="datetime-local" .value=${local(query.created_from)} /></label>
            <label class="more">until <input name="created_until" type="datetime-local" .value=${local(query.created_until)} /></label>
            ${filtered ? html`<a class="button" href="#/messages">Clear</a>` : nothing}
          </form>
          ${page && !shown.length ? nothingThere(filtered) : table(shown)}
          <nav class="pager" aria-label="Pages">
            <span class="where" role="status">${shown.length ? `Page ${number}: ${whole(first)} to ${whole(first + shown.length - 1)}, newest first` : nothing}</span>
            <label>Per page
              <select @change=${(event) => { trail.size = Number(event.target.value); turn([]); }}>
                ${SIZES.map((size) => html`<option ?selected=${size === trail.size}>${size}</option>`)}
              </select>
            </label>
            <button ?disabled=${number === 1} @click=${() => turn([])}>Newest</button>
            <button ?disabled=${number === 1} @click=${() => turn(cursors.slice(0, -1))}>‹ Newer</button>
            <button ?disabled=${!next} @click=${() => turn([...cursors, next])}>Older ›</button>
          </nav>
        </section>`,
      root,
    );
  }

  function bulk() {
    // What can come of it depends on the status; without a filter it would be everything, so it is not offered.
    const { status } = filter();
    return html`<div class="actions">
      ${RETRIED.has(status) ? html`<button @click=${() => change("retry")}>Retry all that match…</button>` : nothing}
      ${CANCELLED.has(status) ? html`<button class="danger" @click=${() => change("cancel")}>Cancel all that match…</button>` : nothing}
    </div>`;
  }

  return {
    title: "Messages",
    show(route) {
      query = route.query;
      const key = JSON.stringify(filter());
      if (trail.filter !== key) Object.assign(trail, { filter: key, cursors: [] });
      draw();
      load();
    },
    live(overview) {
      queues = overview.queues.map((queue) => queue.name);
      channels = [...new Set([...CHANNELS, ...Object.keys(overview.history.channels)])];
      // The first page follows what happens, and asks only when something did.
      const seen = JSON.stringify([overview.totals, overview.queues.map((queue) => [queue.waiting, queue.processing])]);
      if (seen !== activity && activity && !trail.cursors.length) load();
      activity = seen;
      draw();
    },
    refresh: load,
    close: () => loading.abort(),
  };
}

function table(shown) {
  return html`<table class="messages">
    <caption class="hidden">Messages, newest first</caption>
    <thead>
      <tr>
        <th scope="col">Status</th>
        <th scope="col">Recipient and content</th>
        <th scope="col" class="wide">Channel</th>
        <th scope="col" class="wide">Queue</th>
        <th scope="col" class="wide number">Tries</th>
        <th scope="col" class="number">When</th>
      </tr>
    </thead>
    <tbody>
      ${repeat(
        shown,
        (message) => message.id,
        (message) => html`<tr>
          <td>${badge(message.status)}</td>
          <td class="what">
            <a class="clip" href=${link(`messages/${message.id}`)}>${message.recipient}</a>
            <span class="clip muted">${message.subject ? `${message.subject} — ` : nothing}${message.content}</span>
          </td>
          <td class="wide">${message.channel}</td>
          <td class="wide">${message.queue}</td>
          <td class="wide number">${message.tries}/${message.max_tries}</td>
          <td class="number">${when(message)}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

function when(message) {
  // What is next, or what came last.
  const { status, due_at: due, sent_at: sent } = message;
  if (status === "sent") return html`<span class="muted">sent</span> ${ago(sent)}`;
  if (status === "cancelled") return html`<span class="muted">${message.cancel_reason}</span>`;
  if (status === "processing") return html`<span class="muted">on its way</span>`;
  const word = message.held_reason ? `held: ${message.held_reason.replace("_", " ")},` : status === "failed" ? "again" : "due";
  return html`<span class="muted">${word}</span> <time datetime=${due} title=${clock(due)}>${relative(due)}</time>`;
}

function choice(name, title, values, chosen) {
  const known = !chosen || values.includes(chosen) ? values : [...values, chosen];
  return html`<label class=${name === "status" ? "" : "more"}>${title}
    <select name=${name} .value=${chosen ?? ""}>
      <option value="">any</option>
      ${known.map((value) => html`<option value=${value} ?selected=${value === chosen}>${value}</option>`)}
    </select>
  </label>`;
}

function nothingThere(filtered) {
  return filtered
    ? empty("No message matches.", "Take a filter away, or look for another recipient.")
    : empty("No messages yet.", html`Send one: <code class="command">tidings send +12025550101 Hello</code>`);
}

async function changeAll(action, filter) {
  // Chunk after chunk, until none is left; answers how many were changed.
  let count = 0;
  for (;;) {
    const answer = await ask(`/api/v1/messages/${action}`, { method: "POST", body: filter });
    count += answer.count;
    if (!answer.more) return count;
  }
}

// The browser's field knows local times without a zone, the API wants an instant.
const instant = (text) => (text ? new Date(text).toISOString() : undefined);

function local(text) {
  if (!text) return "";
  const time = new Date(text);
  return new Date(time - time.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
