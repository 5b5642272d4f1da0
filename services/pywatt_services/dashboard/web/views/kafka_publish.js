// Publishing one record: a new one, or the edited copy of a dead letter.

import { html, useState } from "../vendor/htm-preact-3.1.1.js";
import { post } from "../api.js";
import { Confirm } from "../parts/dialog.js";
import { say } from "../parts/messages.js";

export function Publish({ topic, api, record = {}, title = "", onClose, onDone = () => {} }) {
  const [to, setTo] = useState(topic);
  const act = async (form) => {
    const { key, value, headers, partition } = form.elements;
    let parsed;
    try {
      parsed = headers.value.trim() ? JSON.parse(headers.value) : {};
    } catch (error) {
      throw new Error(`The headers are no JSON object: ${error.message}`);
    }
    const place = await post(api(`topics/${encodeURIComponent(to)}/records`, { partition: partition.value }), {
      key: key.value === "" ? null : asSent(key.value, record.key),
      value: value.value === "" && record.value === null ? null : asSent(value.value, record.value),
      headers: parsed,
    });
    say(`Published as ${place.topic} ${place.partition}@${place.offset}.`);
    onDone();
  };
  return html`<${Confirm} title=${title || `Publish to ${topic}`} verb="Publish" act=${act} onClose=${onClose}
    consequences=${[`One record is written to ${to}. All its consumers get it.`]}>
    <label class="field">Topic<input value=${to} onInput=${(event) => setTo(event.target.value)} required /></label>
    <label class="field">Key<input name="key" value=${asText(record.key)} /></label>
    <label class="field">Value<textarea name="value" rows="8">${asText(record.value)}</textarea></label>
    <label class="field">Headers, as a JSON object<textarea name="headers" rows="3">${record.headers ? JSON.stringify(record.headers, null, 2) : ""}</textarea></label>
    <label class="field">Partition<input name="partition" inputmode="numeric" placeholder="by its key" /></label>
  </${Confirm}>`;
}

function asText(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

// A value of bytes that are no text stays one, as {"base64": ...}.
function asSent(text, before) {
  if (before && typeof before === "object") {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}
