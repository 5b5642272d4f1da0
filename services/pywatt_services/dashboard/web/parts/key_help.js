// The keys of the page.

import { html } from "../vendor/htm-preact-3.1.1.js";
import { Dialog } from "./dialog.js";

export function KeyHelp({ views, onClose }) {
  const keys = [...views.map((view, position) => [String(position + 1), view.name]), ["/", "Filter"], ["?", "This list"], ["Esc", "Close, or leave a field"]];
  return html`<${Dialog} title="Keys" onClose=${onClose}>
    <dl class="keys">${keys.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <div class="buttons"><button class="primary" onClick=${onClose}>Close</button></div>
  </${Dialog}>`;
}
