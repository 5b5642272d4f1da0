// Modal dialogs: the browser keeps the focus inside, and Escape closes them.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact-3.1.1.js";

export function Dialog({ title, onClose, children, wide }) {
  const dialog = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`<dialog ref=${dialog} class=${wide ? "wide" : ""} aria-labelledby="dialog-title" onClose=${onClose}>
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`;
}

// Says what is going to happen, and does it when that is confirmed.
export function Confirm({ title, consequences, verb, danger, act, onClose, children }) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      await act(event.target);
      onClose();
    } catch (error) {
      setFailure(error);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form onSubmit=${submit}>
      ${consequences && html`<ul class="consequences">${consequences.map((each) => html`<li>${each}</li>`)}</ul>`}
      ${children}
      ${failure && html`<p class="failure" role="alert">${failure.message}${failure.hint && html`<br /><small>${failure.hint}</small>`}</p>`}
      <div class="buttons">
        <button type="button" onClick=${onClose}>Cancel</button>
        <button class=${danger ? "danger" : "primary"} disabled=${busy}>${busy ? "Working …" : verb}</button>
      </div>
    </form>
  </${Dialog}>`;
}
