// What goes on: the way of the messages in numbers, the last hour, and each channel and queue.

import { alertList, alerts } from "../alerts.js";
import { chart } from "../chart.js";
import { NONE, rate, span, whole } from "../format.js";
import { beginning, coarse, perSecond, sum } from "../history.js";
import { badge, empty, scroll } from "../parts.js";
import { link } from "../router.js";
import { html, nothing, render, svg } from "../vendor/lit-html/lit-html.js";

const MINUTES = 5;
// The least that the charts show; a system that has just started would fill a pixel of the hour.

const CHARTS = [
  {
    title: "Messages per second",
    format: rate,
    least: 1,
    lines: [{ label: "sent", tone: "--good", fill: true, column: "sent", each: true }],
  },
  {
    title: "Failures per second",
    format: rate,
    least: 1,
    lines: [
      { label: "tried again", tone: "--warn", column: "failed", each: true },
      { label: "not delivered", tone: "--bad", column: "cancelled", each: true },
    ],
  },
  {
    title: "Waiting and in flight",
    format: whole,
    least: 10,
    lines: [
      { label: "waiting", tone: "--quiet", fill: true, column: "waiting" },
      { label: "in flight", tone: "--accent", column: "in_flight" },
    ],
  },
  {
    title: "Lateness",
    format: span,
    least: 0.05,
    lines: [
      { label: "half of them within", tone: "--accent", column: "lateness_p50" },
      { label: "99 % within", tone: "--warn", column: "lateness_p99" },
    ],
  },
];

export function overview(root) {
  const charts = CHARTS.map((one) => ({ ...one, drawn: chart(one) }));
  let current = null;

  function draw() {
    if (!current) return render(html`<h1 class="head">Overview</h1>${empty("Waiting for the first overview…", "")}`, root);
    render(
      html`<div class="head">
          <h1>Overview</h1>
          <p class="muted">
            Messages wait in Postgres until they are due; a producer hands them to consumers, which deliver each through its channel.
          </p>
        </div>
        ${alertList(alerts(current))}
        ${way(current)}
        <div class="charts">${charts.map((one) => card(one, current.history))}</div>
        ${flows("Queues", current.queues, current.history.queues, "queue")}
        ${flows("Channels", current.channels, current.history.channels, "channel")}`,
      root,
    );
  }

  return {
    title: "Overview",
    show: draw,
    live(overview) {
      current = overview;
      draw();
      const { at, step_seconds: step, ...columns } = overview.history;
      const first = beginning(overview.history, MINUTES * 60);
      for (const { drawn, lines } of charts) {
        const values = lines.map(({ column, each }) => (each ? perSecond(columns[column], step) : columns[column]));
        // The last step has just begun.
        drawn.show([at, ...values].map((column) => column.slice(first, -1)));
      }
    },
    close: () => charts.forEach(({ drawn }) => drawn.close()),
  };
}

function way({ totals, history }) {
  // The path of a message from left to right.
  const { flow } = totals;
  const [sent, failed, cancelled] = ["sent", "failed", "cancelled"].map((name) => sum(history[name]));
  return html`<dl class="card way">
    ${step("waiting", "Waiting", counted(totals), `for their time or for room; ${whole(totals.due)} due now`)}
    ${step("in-flight", "In flight", whole(totals.in_flight), `deliveries now; ${whole(totals.processing)} processing`)}
    ${step("rate", "Sent", html`${rate(flow?.sent)}<small> /s</small>`, `${whole(sent)} in the last hour`)}
    ${step("lateness", "Lateness", flow?.lateness_p99 == null ? html`<small>none due lately</small>` : span(flow.lateness_p99), flow?.lateness_p50 == null ? "how long after its time a message goes" : `99 % within; half within ${span(flow.lateness_p50)}`)}
    ${step("failures", "Failures, last hour", html`<span class=${failed + cancelled ? "bad-text" : ""}>${whole(failed + cancelled)}</span>`, `${whole(failed)} tried again, ${whole(cancelled)} not delivered`)}
  </dl>`;
}

const step = (name, title, value, meaning) =>
  html`<div class="step">
    <dt>${title}</dt>
    <dd class="value" data-figure=${name}>${value}</dd>
    <dd class="meaning">${meaning}</dd>
  </div>`;

const counted = ({ waiting, waiting_capped: capped }) => (capped ? `${whole(waiting)}+` : whole(waiting));

function card({ title, lines, format, drawn }, history) {
  const last = (column) => column.findLast((value) => value !== null) ?? null;
  const peak = (column) => column.reduce((most, value) => Math.max(most, value ?? 0), 0);
  const scale = ({ each }) => (each ? 1 / history.step_seconds : 1);
  const inWords = lines
    .map((line) => {
      const column = history[line.column];
      return `${line.label}: now ${format(last(column) === null ? null : last(column) * scale(line))}, at most ${format(peak(column) * scale(line))}`;
    })
    .join("; ");
  return html`<figure class="card" role="img" aria-label="${title} over the last hour. ${inWords}.">
    <figcaption class="card-head">
      <h2>${title}</h2>
      <ul class="legend">${lines.map(({ label, tone }) => html`<li class=${tone.slice(2)}>${label}</li>`)}</ul>
    </figcaption>
    ${drawn.element}
  </figure>`;
}

function flows(title, all, past, kind) {
  // Channels are only reported while something happens in them: those of the last hour stay.
  const known = new Map(all.map((one) => [one.name, one]));
  const names = [...new Set([...known.keys(), ...Object.keys(past)])].filter((name) => name !== "*").sort();
  const queues = kind === "queue";
  return html`<section class="card" aria-label=${title}>
    <h2>${title}</h2>
    ${names.length
      ? scroll(
          title,
          html`<table>
            <caption class="hidden">${title}: what they hold and do</caption>
            <thead>
              <tr>
                <th scope="col">${queues ? "Queue" : "Channel"}</th>
                ${queues ? html`<th scope="col" class="number">Waiting</th><th scope="col" class="number wide">Processing</th>` : nothing}
                <th scope="col" class="number">Per second</th>
                <th scope="col" class="wide">Last hour</th>
                <th scope="col" class="number wide">Sent</th>
                <th scope="col" class="number">Failures</th>
                <th scope="col" class="number wide">Lateness, 99 %</th>
                <th scope="col" class="number wide">Takes, 99 %</th>
              </tr>
            </thead>
            <tbody>
              ${names.map((name) => flowRow(name, known.get(name), past[name], kind))}
            </tbody>
          </table>`,
        )
      : empty("Nothing was sent in the last hour.", html`Send something: <code class="command">tidings send +12025550101 Hello</code>`)}
  </section>`;
}

function flowRow(name, now, past, kind) {
  const flow = now?.flow;
  const failures = sum(past?.failed) + sum(past?.cancelled);
  return html`<tr>
    <th scope="row">
      <a href=${link("messages", { [kind]: name })}>${name}</a>
      ${now?.active === false ? badge("bad", "stopped") : nothing}
    </th>
    ${kind === "queue"
      ? html`<td class="number">${now ? counted(now) : NONE}</td><td class="number wide">${whole(now?.processing)}</td>`
      : nothing}
    <td class="number">${rate(flow?.sent ?? 0)}</td>
    <td class="wide spark">${past ? spark(past.sent) : nothing}</td>
    <td class="number wide">${whole(sum(past?.sent))}</td>
    <td class="number ${failures ? "bad-text" : ""}">${whole(failures)}</td>
    <td class="number wide">${span(flow?.lateness_p99)}</td>
    <td class="number wide">${span(flow?.duration_p99)}</td>
  </tr>`;
}

function spark(column) {
  const values = coarse(column, 90);
  const most = Math.max(...values, 1);
  const points = values.map((value, place) => `${(place * 120) / (values.length - 1)},${21 - (value / most) * 19}`).join(" ");
  return html`<svg viewBox="0 0 120 22" width="120" height="22" aria-hidden="true">${svg`<polyline points=${points} />`}</svg>`;
}
