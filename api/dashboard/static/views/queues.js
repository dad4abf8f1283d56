// Queues: what each holds, its pace, and its switch.

import { ask } from "../api.js";
import { open } from "../dialog.js";
import { ago, NONE, pace, rate, whole } from "../format.js";
import { attempt, notice } from "../notes.js";
import { badge, empty, fault, scroll } from "../parts.js";
import { link } from "../router.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";

const url = (name) => `/api/v1/queues/${encodeURIComponent(name)}`;

export function queues(root, who) {
  let all = null;
  let current = new Map();
  let problem = null;

  async function load() {
    try {
      all = (await ask("/api/v1/queues")).queues;
      problem = null;
    } catch (error) {
      problem = error;
    }
    draw();
  }

  async function toggle({ name, active }) {
    const done = await attempt(() => ask(`${url(name)}/${active ? "stop" : "start"}`, { method: "POST" }));
    if (done) notice(active ? `${name} is stopped: its messages wait.` : `${name} runs.`);
    await load();
  }

  async function edit(queue) {
    const done = await open({
      title: queue ? `Pace of ${queue.name}` : "New queue",
      action: queue ? "Set pace" : "Make queue",
      body: paceForm(queue),
      submit: ({ name, interval, size }) =>
        ask(url(queue?.name ?? name), {
          method: "PUT",
          body: { interval_seconds: Number(interval || 0), batch_size: size ? Number(size) : null },
        }),
    });
    if (done) notice(`${done.name}: ${pace(done)}.`);
    await load();
  }

  function draw() {
    render(
      html`<div class="head">
          <h1>Queues</h1>
          ${who.role === "admin" ? html`<div class="actions"><button @click=${() => edit(null)}>New queue…</button></div>` : nothing}
        </div>
        ${fault(problem)}
        ${all ? html`<section class="card" aria-label="Queues">${scroll("Queues", table())}</section>` : nothing}
        <p class="hint below">
          A message belongs to one queue. A stopped queue holds its messages back; what is on its way goes on. A pace spreads them out,
          whatever is due.
        </p>`,
      root,
    );
  }

  function table() {
    if (!all.length) return empty("No queues.", "Make one.");
    return html`<table class="queues">
      <caption class="hidden">Queues by name</caption>
      <thead>
        <tr>
          <th scope="col">Queue</th>
          <th scope="col" class="wide">State</th>
          <th scope="col" class="wide">Pace</th>
          <th scope="col" class="number">Waiting</th>
          <th scope="col" class="number wide">Processing</th>
          <th scope="col" class="number wide">Per second</th>
          <th scope="col" class="wide">Next tick</th>
          ${who.role === "admin" ? html`<th scope="col"><span class="hidden">Actions</span></th>` : nothing}
        </tr>
      </thead>
      <tbody>
        ${repeat(all, (queue) => queue.name, row)}
      </tbody>
    </table>`;
  }

  function row(queue) {
    const now = current.get(queue.name) ?? {};
    return html`<tr>
      <th scope="row"><a href=${link("messages", { queue: queue.name })}>${queue.name}</a><span class="narrow muted plain-weight">${queue.active ? nothing : badge("bad", "stopped")} ${pace(queue)}</span></th>
      <td class="wide">${queue.active ? badge("good", "running") : badge("bad", "stopped")}</td>
      <td class="wide">${pace(queue)}</td>
      <td class="number" data-figure="waiting">${whole(now.waiting)}</td>
      <td class="number wide">${whole(now.processing)}</td>
      <td class="number wide">${rate(now.flow?.sent ?? 0)}</td>
      <td class="wide">${now.next_tick_at ? ago(now.next_tick_at) : NONE}</td>
      ${who.role === "admin"
        ? html`<td>
            <div class="queue-actions">
              <button class="small" @click=${() => edit(queue)} aria-label="Pace of ${queue.name}">Pace…</button>
              <button class="small" @click=${() => toggle(queue)} aria-label="${queue.active ? "Stop" : "Start"} ${queue.name}">
                ${queue.active ? "Stop" : "Start"}
              </button>
            </div>
          </td>`
        : nothing}
    </tr>`;
  }

  return {
    title: "Queues",
    show() {
      draw();
      load();
    },
    live(overview) {
      current = new Map(overview.queues.map((queue) => [queue.name, queue]));
      // Somebody else may have made, stopped or paced one.
      const seen = (queue) => JSON.stringify([queue.name, queue.active, queue.interval_seconds, queue.batch_size]);
      const known = new Set(all?.map(seen));
      const total = overview.queues.length + (overview.queues_left_out ?? 0);
      if (all && (total !== all.length || !overview.queues.every((queue) => known.has(seen(queue))))) load();
      draw();
    },
    refresh: load,
    close() {},
  };
}

const paceForm = (queue) =>
  html`<div class="fields">
      ${queue
        ? nothing
        : html`<label class="whole">Name <input name="name" required pattern="[a-z0-9][a-z0-9._\\-]{0,62}" placeholder="newsletters" /></label>`}
      <label>Interval in seconds <input name="interval" type="number" min="0" step="any" .value=${String(queue?.interval_seconds ?? 0)} /></label>
      <label>Messages in each <input name="size" type="number" min="1" step="1" .value=${queue?.batch_size ? String(queue.batch_size) : ""} placeholder="no limit" /></label>
    </div>
    <p class="hint">Interval 0: every message as soon as it is due. 2 messages every 120 seconds: a pace for a receiver that is slow or strict.</p>`;
