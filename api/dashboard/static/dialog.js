// A question that has to be answered first, as the browser's own dialog: it keeps the focus, and Escape closes it.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";

export function confirm({ title, text, action, danger = false }) {
  // Answers whether it was confirmed.
  return open({ title, action, danger, body: html`<p>${text}</p>` }).then(Boolean);
}

export function open({ title, body, action, danger = false, leave = true, submit = async () => true }) {
  // Shows a form. `submit` gets its values; what it throws is shown, and the form stays open.
  // Answers what `submit` answered, or null where the form was left. `leave`: whether there is a button for that.
  const dialog = document.createElement("dialog");
  const before = document.activeElement;
  document.body.append(dialog);
  return new Promise((resolve) => {
    let result = null;
    const close = () => dialog.close();
    async function send(event) {
      event.preventDefault();
      try {
        result = await submit(Object.fromEntries(new FormData(event.target)));
        close();
      } catch (problem) {
        draw(problem.message);
      }
    }
    const draw = (fault) =>
      render(
        html`<form @submit=${send} aria-labelledby="dialog-title">
          <h2 id="dialog-title">${title}</h2>
          ${body}
          ${fault ? html`<p class="fault" role="alert">${fault}</p>` : nothing}
          <div class="actions">
            ${leave ? html`<button type="button" @click=${close}>Cancel</button>` : nothing}
            <button class=${danger ? "primary danger" : "primary"}>${action}</button>
          </div>
        </form>`,
        dialog,
      );
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus();
      resolve(result);
    });
    draw();
    dialog.showModal();
  });
}
