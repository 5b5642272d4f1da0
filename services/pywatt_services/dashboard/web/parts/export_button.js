// Saves what the dashboard has seen as one file.

import { html, useState } from "../vendor/htm-preact-3.1.1.js";
import { download } from "../api.js";
import { say, sayError } from "./messages.js";
import { bytes } from "./numbers.js";

export function ExportButton({ app }) {
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      const content = await download("recording");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(content);
      link.download = `${app.replace(/[^\w-]+/g, "-") || "app"}.pywatt`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      say(`Saved ${link.download} (${bytes(content.size)}): pywatt dashboard import ${link.download} shows it.`);
    } catch (error) {
      sayError(error);
    }
    setBusy(false);
  };
  return html`<button class="quiet" onClick=${save} disabled=${busy} title="Save traces, logs, metrics and configuration as one file">${busy ? "Exporting …" : "Export"}</button>`;
}
