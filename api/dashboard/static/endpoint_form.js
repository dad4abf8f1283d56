// The form of a webhook endpoint, and the one time that its signing secret is shown.

import { open } from "./dialog.js";
import { html, nothing } from "./vendor/lit-html/lit-html.js";

export function endpointForm(endpoint) {
  // For a new one (null), or to change one: what is secret is not known here, so that an empty field leaves it as it is.
  const secret = (kept, what) => (kept ? `unchanged: ${what}` : "none");
  return html`<div class="fields">
      <label class="whole">URL <input name="url" type="url" required maxlength="2048" .value=${endpoint?.url ?? ""} placeholder="https://acme.example.com/hooks" /></label>
      <label>Customer <input name="customer" maxlength="200" .value=${endpoint?.customer ?? ""} placeholder="none; * takes all" spellcheck="false" /></label>
      <label>Event types <input name="types" .value=${endpoint?.event_types?.join(" ") ?? ""} placeholder="all; or invoice.* user.created" spellcheck="false" /></label>
      <label class="whole">Description <input name="description" maxlength="500" .value=${endpoint?.description ?? ""} /></label>
    </div>
    <details>
      <summary>Pace, tries, credentials, headers</summary>
      <div class="fields">
        <label>Messages a second <input name="rate" type="number" min="1" max="10000" .value=${text(endpoint?.rate_limit)} placeholder="no limit" /></label>
        <label>Tries <input name="tries" type="number" min="1" max="100" .value=${text(endpoint?.max_tries)} placeholder="as webhooks have" /></label>
        <label class="whole">Credentials
          <select name="credentials">
            ${endpoint ? html`<option value="" selected>unchanged: ${endpoint.credentials ?? "none"}</option>` : nothing}
            <option value="none">none</option>
            <option value="basic">Basic</option>
            <option value="bearer">Bearer</option>
          </select>
        </label>
        <label>User name <input name="username" autocomplete="off" spellcheck="false" placeholder="for Basic" /></label>
        <label>Password or token <input name="credential" type="password" autocomplete="new-password" /></label>
        <label class="whole">Headers, one a line
          <textarea name="headers" rows="2" spellcheck="false" placeholder=${secret(endpoint && Object.keys(endpoint.headers ?? {}).length, Object.keys(endpoint?.headers ?? {}).join(", "))}></textarea>
        </label>
        <label class="whole">Client certificate (mTLS), PEM with its chain
          <textarea name="certificate" rows="2" spellcheck="false" placeholder=${secret(endpoint?.has_client_certificate, "there is one")}></textarea>
        </label>
        <label class="whole">Its key, PEM <textarea name="key" rows="2" spellcheck="false" autocomplete="off"></textarea></label>
        ${endpoint
          ? html`<label class="check"><input type="checkbox" name="no_headers" /> Remove all headers</label>
              <label class="check"><input type="checkbox" name="no_certificate" /> Remove the certificate</label>`
          : html`<label class="whole">Signing secret <input name="secret" autocomplete="off" spellcheck="false" placeholder="one is made; or your own, whsec_…" /></label>`}
      </div>
    </details>`;
}

export function requested(given) {
  // What the form holds, as the API takes it. Fields for secrets that were left empty are absent.
  const { url, description, types, headers, certificate, key, secret } = given;
  const named = types.split(/[\s,]+/).filter(Boolean);
  return {
    url,
    description,
    customer: given.customer || null,
    event_types: named.length ? named : null,
    rate_limit: given.rate ? Number(given.rate) : null,
    max_tries: given.tries ? Number(given.tries) : null,
    ...(given.credentials ? { credentials: credentials(given) } : {}),
    ...(given.no_headers ? { headers: {} } : headers.trim() ? { headers: lines(headers) } : {}),
    ...(given.no_certificate ? { client_certificate: null } : certificate.trim() || key.trim() ? { client_certificate: { certificate, key } } : {}),
    ...(secret ? { secret } : {}),
  };
}

export function showSecret(secret) {
  // Until it is closed: no answer of the API shows this secret again.
  async function copy({ currentTarget: button }) {
    const field = button.form.querySelector("input");
    field.select();
    try {
      await navigator.clipboard.writeText(secret);
      button.textContent = "Copied";
    } catch {
      // Without TLS a page may not: the text is selected, so that the keyboard can.
      button.textContent = "Press Ctrl+C";
    }
  }
  return open({
    title: "Signing secret",
    action: "I have kept it",
    leave: false,
    body: html`<p>The receiver verifies with it that a webhook is from here. It is shown this once.</p>
      <div class="copy">
        <label>Secret <input class="mono" readonly .value=${secret} @focus=${({ target }) => target.select()} /></label>
        <button type="button" @click=${copy}>Copy</button>
      </div>`,
  });
}

const text = (number) => (number === null || number === undefined ? "" : String(number));

function credentials({ credentials: type, username, credential }) {
  if (type === "none") return null;
  return type === "basic" ? { type, username, password: credential } : { type, token: credential };
}

function lines(headers) {
  const found = {};
  for (const line of headers.split("\n").filter((one) => one.trim())) {
    const [name, ...value] = line.split(":");
    if (!value.length) throw new Error(`headers: “${line.trim()}” has no colon`);
    found[name.trim()] = value.join(":").trim();
  }
  return found;
}
