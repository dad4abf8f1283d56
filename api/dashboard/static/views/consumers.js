// Who delivers, how they are, and what everything stands on.

import { alertList, alerts } from "../alerts.js";
import { ago, relative, span, whole } from "../format.js";
import { badge, empty, scroll } from "../parts.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";

const TONES = { well: "good", full: "warn", stopping: "warn", "postgres away": "bad", silent: "bad" };
const PARTS = {
  postgres: ["Postgres", "keeps every message"],
  schema: ["Schema", "its tables, at the version of this program"],
  redis: ["Redis", "carries batches between claim and delivery"],
  producer: ["Producer", "claims what is due"],
  consumers: ["Consumers", "deliver it"],
};

export function consumers(root) {
  let current = null;

  function draw() {
    if (!current) return render(html`<h1 class="head">Consumers</h1>${empty("Waiting for the first overview…", "")}`, root);
    render(
      html`<div class="head"><h1>Consumers</h1></div>
        ${alertList(alerts(current).filter(({ kind }) => kind === "bad"))}
        <section class="card" aria-label="Consumers">
          ${current.consumers.length
            ? scroll("Consumers", table(current.consumers))
            : empty("No consumer is alive.", html`Start one: <code class="command">tidings consumer</code>`)}
        </section>
        ${breakers(current.consumers)}
        <section class="card" aria-labelledby="parts">
          <h2 id="parts">What they stand on</h2>
          <table>
            <caption class="hidden">Stores and processes</caption>
            <tbody>
              ${Object.entries(current.checks).map(([name, said]) => part(name, said))}
            </tbody>
          </table>
        </section>`,
      root,
    );
  }

  return {
    title: "Consumers",
    show: draw,
    live(overview) {
      current = overview;
      draw();
    },
    close() {},
  };
}

const table = (all) =>
  html`<table class="consumers">
    <caption class="hidden">Consumers by name</caption>
    <thead>
      <tr>
        <th scope="col">Consumer</th>
        <th scope="col">Health</th>
        <th scope="col" class="number">In flight</th>
        <th scope="col" class="number wide">Waiting in it</th>
        <th scope="col" class="number wide">Batches</th>
        <th scope="col" class="number wide">Not yet on disk</th>
        <th scope="col" class="wide">Version</th>
        <th scope="col" class="number">Started</th>
      </tr>
    </thead>
    <tbody>
      ${repeat(
        all,
        (one) => one.name,
        (consumer) => html`<tr>
          <th scope="row">${consumer.name} <span class="muted plain-weight">on ${consumer.host}</span></th>
          <td>
            ${badge(TONES[consumer.health], consumer.health)}
            ${consumer.health === "silent" ? html`<span class="muted">last heard of ${relative(consumer.reported_at)}</span>` : nothing}
          </td>
          <td class="number">
            ${whole(consumer.in_flight)}<span class="muted"> of ${whole(consumer.places)}</span>
            <meter max=${consumer.places} value=${consumer.in_flight} aria-hidden="true"></meter>
          </td>
          <td class="number wide">${whole(consumer.waiting)}</td>
          <td class="number wide">${whole(consumer.open_batches)}</td>
          <td class="number wide">${whole(consumer.outcomes_waiting)}</td>
          <td class="wide">${consumer.version}</td>
          <td class="number">${ago(consumer.started_at)}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;

function breakers(all) {
  const resting = all.flatMap((one) => one.breakers.map((breaker) => ({ ...breaker, consumer: one.name })));
  if (!resting.length) return nothing;
  return html`<section class="card" aria-label="Destinations that rest">
    <div class="card-head"><h2>Destinations that rest</h2><span class="muted">after too many failures in a row; their messages wait</span></div>
    ${scroll(
      "Destinations that rest",
      html`<table>
        <thead>
          <tr><th scope="col">Destination</th><th scope="col">State</th><th scope="col">For consumer</th><th scope="col" class="number">Tried again in</th></tr>
        </thead>
        <tbody>
          ${resting.map(
            (one) => html`<tr><th scope="row">${one.destination}</th><td>${badge("warn", one.state)}</td><td>${one.consumer}</td><td class="number">${span(one.seconds)}</td></tr>`,
          )}
        </tbody>
      </table>`,
    )}
  </section>`;
}

function part(name, said) {
  const [title, meaning] = PARTS[name] ?? [name, ""];
  return html`<tr>
    <th scope="row">${title}</th>
    <td>${badge(said === "ok" ? "good" : said === "unknown" ? "pending" : "bad", said)}</td>
    <td class="muted wide">${meaning}</td>
  </tr>`;
}
