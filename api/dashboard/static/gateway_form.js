// The form of an SMS gateway: what a preset has to know, and nothing else.

import { open } from "./dialog.js";
import { html, nothing, render } from "./vendor/lit-html/lit-html.js";

const SECRET = /key|token|secret|password/;
const words = (name) => name.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());

export function gatewayForm(presets, gateway, { admin, submit }) {
  // For a new one (null), or to change one: credentials are not known here, so that an empty field leaves them as they are.
  const first = gateway ? presets.find(({ name }) => name === gateway.preset) : presets.find(({ name }) => name === "twilio");
  const answered = open({
    title: gateway ? `Change ${gateway.name}` : "New gateway",
    action: gateway ? "Change it" : "Add gateway",
    body: html`${gateway
        ? nothing
        : html`<div class="fields">
            <label class="whole">Provider
              <select name="preset" @change=${({ target }) => fill(target.form, presets.find(({ name }) => name === target.value))}>
                ${presets.map(({ name, title }) => html`<option value=${name} ?selected=${name === first.name}>${title || name}</option>`)}
              </select>
            </label>
            <label class="whole">Name <input name="name" required maxlength="64" pattern="[a-z0-9][a-z0-9_\\-]{0,63}" placeholder="twilio" spellcheck="false" /></label>
          </div>`}
      <div class="preset" data-preset></div>
      <details>
        <summary>Routing, pace, price</summary>
        <div class="fields">
          <label class="whole">For numbers that begin with <input name="prefixes" .value=${gateway?.prefixes?.join(" ") ?? ""} placeholder="all; or +49 +43" spellcheck="false" /></label>
          <label>Weight <input name="weight" type="number" min="0" max="1000" .value=${String(gateway?.weight ?? 1)} /></label>
          <label>Price of a part <input name="price" maxlength="64" .value=${gateway?.price ?? ""} placeholder="0.0075 EUR" /></label>
          <label>Messages a second <input name="per_second" type="number" min="1" max="10000" .value=${text(gateway?.per_second)} placeholder="no limit" /></label>
          <label>At a time <input name="concurrency" type="number" min="1" max="1000" .value=${text(gateway?.concurrency)} placeholder="no limit" /></label>
          <label class="check whole"><input type="checkbox" name="short_codes" ?checked=${gateway?.short_codes} /> Takes short codes</label>
          <label class="check whole"><input type="checkbox" name="allow_duplicates" ?checked=${gateway?.allow_duplicates} /> May send twice rather than wait for it</label>
          ${admin && !gateway ? html`<label class="check whole"><input type="checkbox" name="shared" checked /> For all users</label>` : nothing}
        </div>
      </details>`,
    submit: (given) => submit(requested(given, gateway)),
  });
  fill(document.querySelector("dialog form"), first, gateway);
  return answered;
}

function fill(form, preset, gateway = null) {
  const kept = gateway?.credentials ?? [];
  const names = preset ? [...preset.credentials, ...preset.optional] : kept;
  const needed = (name) => !gateway && preset?.credentials.includes(name);
  render(
    html`<div class="fields">
      ${names.map(
        (name) => html`<label>${words(name)}
          <input name="credential.${name}" type=${SECRET.test(name) ? "password" : "text"} ?required=${needed(name)} autocomplete="new-password" spellcheck="false"
            placeholder=${kept.includes(name) ? "unchanged" : needed(name) ? "" : "none"} />
        </label>`,
      )}
      <label class="whole">Base URL <input name="base_url" type="url" maxlength="2000" ?required=${!preset?.base_url && !gateway} .value=${gateway?.base_url ?? ""} placeholder=${preset?.base_url || "https://"} /></label>
      <label class="whole">From <input name="from" ?required=${preset?.needs_from} .value=${gateway?.from.join(" ") ?? ""} placeholder="numbers, names; the first is the default" spellcheck="false" /></label>
    </div>
    ${preset?.docs ? html`<p class="hint">As <a href=${preset.docs} target="_blank" rel="noreferrer">${new URL(preset.docs).host}</a> has it.</p>` : nothing}`,
    form.querySelector("[data-preset]"),
  );
}

function requested(given, gateway) {
  // What the form holds, as the API takes it.
  const list = (value) => value.split(/[\s,]+/).filter(Boolean);
  const number = (value) => (value ? Number(value) : null);
  const credentials = Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (name.startsWith("credential.") && value ? [[name.slice("credential.".length), value]] : [])),
  );
  return {
    ...(gateway ? {} : { name: given.name, preset: given.preset, shared: Boolean(given.shared) }),
    credentials,
    base_url: given.base_url,
    from: list(given.from),
    prefixes: given.prefixes.trim() ? list(given.prefixes) : null,
    weight: Number(given.weight || 0),
    price: given.price || null,
    per_second: number(given.per_second),
    concurrency: number(given.concurrency),
    short_codes: Boolean(given.short_codes),
    allow_duplicates: Boolean(given.allow_duplicates),
  };
}

const text = (number) => (number === null || number === undefined ? "" : String(number));
