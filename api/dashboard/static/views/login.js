// Logging in. The answer sets a cookie that scripts cannot read; nothing of it is kept here.

import { ask } from "../api.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";

export function login(root, entered) {
  let fault = null;
  let busy = false;

  async function submit(event) {
    event.preventDefault();
    const { email, password } = Object.fromEntries(new FormData(event.target));
    busy = true;
    draw();
    try {
      entered(await ask("/dashboard/session", { method: "POST", body: { email, password } }));
    } catch (problem) {
      fault = problem.message;
      busy = false;
      draw();
      root.querySelector("[name=password]").select();
    }
  }

  function draw() {
    render(
      html`<div class="login">
        <form @submit=${submit}>
          <h1>Log in</h1>
          ${fault ? html`<p class="fault" id="login-fault" role="alert">${fault}</p>` : nothing}
          <label>E-mail address <input name="email" type="email" autocomplete="username" required autofocus /></label>
          <label>Password <input name="password" type="password" autocomplete="current-password" required /></label>
          <button class="primary" ?disabled=${busy}>Log in</button>
        </form>
        <p class="hint">
          The first account is made where tidings runs:<br /><code class="command">tidings user add --admin you@example.com</code>
        </p>
      </div>`,
      root,
    );
  }

  draw();
  root.querySelector("[name=email]").focus();
}
