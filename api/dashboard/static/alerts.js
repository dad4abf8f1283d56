// What is amiss now, in words that say what to do about it.

import { plural, span } from "./format.js";
import { link } from "./router.js";
import { html, nothing } from "./vendor/lit-html/lit-html.js";

const command = (text) => html`<code class="command">${text}</code>`;

const REMEDIES = {
  postgres: html`Nothing is taken in until it is back; what was accepted is safe in it.`,
  schema: html`Bring it up to date: ${command("tidings migrate")}`,
  redis: html`Nothing is delivered until it is back; no message is lost.`,
  producer: html`Messages wait until one claims them. Start one: ${command("tidings producer")}`,
  consumers: html`Messages wait until one delivers them. Start one: ${command("tidings consumer")}`,
  claims: html`Messages wait until somebody has seen what may have been delivered already: ${command("tidings resume")}`,
};

const HELD = {
  gateway: html`The operator's gateway takes nothing: see its address, key and account. ${command("tidings doctor")}`,
  account: "A user's mail server refuses the login; the user must correct it.",
  endpoint_disabled: html`Their receivers said that they are gone. ${command("tidings holds")}`,
  ours: "This deployment is short of something; the log names it.",
};

export function alerts({ checks, queues, consumers, held }) {
  // A list of { kind, text }, the worst first.
  const broken = Object.entries(checks)
    .filter(([, said]) => said !== "ok" && said !== "unknown")
    .map(([name, said]) => ({ kind: "bad", text: html`<strong>${title(name)}: ${said}.</strong> ${REMEDIES[name]}` }));
  const stopped = queues
    .filter((queue) => !queue.active && queue.waiting)
    .map((queue) => ({
      kind: "warn",
      text: html`<strong>Queue ${queue.name} is stopped;</strong> ${plural(queue.waiting, "message")} ${queue.waiting === 1 ? "waits" : "wait"} in it.
        <a href=${link("queues")}>Start it</a>`,
    }));
  const open = new Map(consumers.flatMap((consumer) => consumer.breakers).map((breaker) => [breaker.destination, breaker]));
  const resting = [...open.values()].map((breaker) => ({
    kind: "warn",
    text: html`<strong>${breaker.destination} does not answer.</strong> Its messages wait; it is tried again in ${span(breaker.seconds)}.`,
  }));
  const waiting = (held?.messages ?? [])
    .filter(({ reason }) => HELD[reason])
    .map(({ reason, messages, seconds }) => ({
      kind: reason === "gateway" ? "bad" : "warn",
      text: html`<strong>${plural(messages, "message")} ${messages === 1 ? "is" : "are"} held,</strong> the first for ${span(seconds)}.
        ${HELD[reason]} <a href=${link("messages", { held: reason })}>Show them</a>`,
    }));
  const holds = (held?.holds ?? []).map(({ id, channel, endpoint, last_error: error }) => ({
    kind: "warn",
    text: html`<strong>Nothing goes to ${channel} ${endpoint}</strong> until somebody releases it: ${error}.
      ${command(`tidings holds release ${id}`)}`,
  }));
  return [...broken, ...waiting, ...holds, ...stopped, ...resting];
}

const title = (name) => name[0].toUpperCase() + name.slice(1);

export const alertList = (all) =>
  html`<div role="status" aria-label="What is amiss">
    ${all.length ? html`<ul class="alerts">${all.map(({ kind, text }) => html`<li class="alert ${kind}">${text}</li>`)}</ul>` : nothing}
  </div>`;
