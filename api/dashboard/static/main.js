// The page: finds out who is there, draws the view that the address names, and hands it the live overview.

import { ask } from "./api.js";
import { drawFrame } from "./frame.js";
import { merge } from "./history.js";
import { follow } from "./live.js";
import { attempt } from "./notes.js";
import { fault } from "./parts.js";
import { route } from "./router.js";
import { html, render } from "./vendor/lit-html/lit-html.js";
import { consumers } from "./views/consumers.js";
import { endpoint } from "./views/endpoint.js";
import { endpoints } from "./views/endpoints.js";
import { event } from "./views/event.js";
import { gateway } from "./views/gateway.js";
import { gateways } from "./views/gateways.js";
import { login } from "./views/login.js";
import { message } from "./views/message.js";
import { messages } from "./views/messages.js";
import { overview } from "./views/overview.js";
import { queues } from "./views/queues.js";

const main = document.getElementById("main");
const state = { who: null, view: null, key: "", name: "", pulse: "connecting", overview: null };
const VIEWS = { admin: { overview, messages, endpoints, gateways, queues, consumers }, user: { messages, endpoints, gateways, queues } };
// Of one thing, by its id; the bar does not name them.
const ONE = { messages: message, endpoints: endpoint, events: event, gateways: gateway };
const REFRESH_MS = 10_000;
let unfollow = () => {};

function frame() {
  drawFrame({ views: state.who ? Object.keys(VIEWS[state.who.role]) : [], view: state.view?.within ?? state.name, who: state.who, pulse: state.pulse, logOut });
}

function show() {
  const wanted = route();
  const views = VIEWS[state.who.role];
  const one = wanted.id && Object.hasOwn(ONE, wanted.name) ? ONE[wanted.name] : null;
  const name = one || Object.hasOwn(views, wanted.name) ? wanted.name : Object.keys(views)[0];
  const key = `${name}/${wanted.id}`;
  if (key !== state.key) {
    const moved = state.key !== "";
    state.view?.close();
    state.view = (one ?? views[name])(fresh(), state.who);
    Object.assign(state, { key, name });
    if (moved) {
      scrollTo(0, 0);
      main.focus({ preventScroll: true });
    }
  }
  document.title = `${state.view.title} · tidings`;
  state.view.show(wanted);
  if (state.overview) state.view.live(state.overview);
  frame();
}

function fresh() {
  // A place of its own for each view: what one still waits for when it is left cannot be drawn over the next.
  const place = document.createElement("div");
  main.replaceChildren(place);
  return place;
}

function enter(who) {
  Object.assign(state, { who, key: "", pulse: "connecting" });
  unfollow = who.role === "admin" ? followOverview() : refreshSlowly();
  show();
}

function refreshSlowly() {
  // The overview shows everybody's messages, so only admins have it; a user's views poll by themselves.
  const timer = setInterval(() => document.hidden || state.view.refresh?.(), REFRESH_MS);
  return () => clearInterval(timer);
}

function followOverview() {
  return follow({
    overview(overview) {
      state.overview = { ...overview, history: merge(state.overview?.history, overview.history) };
      state.view.live(state.overview);
    },
    state(pulse) {
      if (pulse === state.pulse) return;
      state.pulse = pulse;
      frame();
    },
  });
}

function leave() {
  unfollow();
  state.view?.close();
  Object.assign(state, { who: null, view: null, key: "", name: "", overview: null });
  frame();
  document.title = "Log in · tidings";
  login(fresh(), enter);
}

async function logOut() {
  if (await attempt(() => ask("/dashboard/session", { method: "DELETE" }))) leave();
}

async function start() {
  try {
    enter(await ask("/dashboard/session"));
  } catch (problem) {
    if (problem.status === 401) return leave();
    render(html`${fault(problem)}<p class="actions"><button @click=${() => location.reload()}>Try again</button></p>`, fresh());
  }
}

addEventListener("hashchange", () => state.who && show());
addEventListener("logged-out", () => state.who && leave());
addEventListener("theme", () => {
  frame();
  if (state.view && state.overview) state.view.live(state.overview);
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

frame();
start();
