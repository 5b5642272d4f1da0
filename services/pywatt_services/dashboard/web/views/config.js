// The configuration that applies, the environment of each service, and the routes; secrets are hidden by the app.

import { html, useState } from "../vendor/htm-preact-3.1.1.js";
import { Problem, useData, Waiting } from "../parts/loading.js";

export function ConfigView({ query }) {
  const { data, error, again } = useData("config");
  const [filter, setFilter] = useState("");
  if (error) return html`<h1>Config</h1><${Problem} error=${error} />`;
  if (!data) return html`<h1>Config</h1><${Waiting} />`;
  const { services, ...app } = data;
  const chosen = query.get("service") || "";
  const service = services.find((each) => each.id === chosen);
  const words = filter.trim().toLowerCase();
  const routes = services.filter((each) => each.public_path);
  return html`
    <div class="title"><h1>Config</h1>
      <div class="tabs" role="navigation" aria-label="Configuration">
        <a href="#/config" aria-current=${service ? undefined : "page"}>App</a>
        ${services.map((each) => html`<a href=${`#/config?service=${encodeURIComponent(each.id)}`} aria-current=${each === service ? "page" : undefined}>${each.id}</a>`)}
      </div>
      <label class="search"><span class="hidden">Filter keys and values</span><input type="search" data-filter placeholder="Filter" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
      <span class="tools"><button onClick=${again}>Refresh</button></span>
    </div>
    ${!service && routes.length > 0 && html`<section class="card" aria-label="Routes"><h2>Routes</h2><dl class="facts">${routes.map((each) => html`<div><dt><code>${each.public_path}</code></dt><dd>${each.id}</dd></div>`)}</dl></section>`}
    <section class="card" aria-label="Configuration"><h2>${service ? service.id : "App"}</h2>
      <p class="quiet">From <code>${service ? service.file || app.file : app.file}</code>, with defaults. Durations are seconds.</p>
      <${Values} document=${service || app} words=${words} /></section>
    ${service && html`<${Environment} id=${service.id} words=${words} />`}`;
}

// Returns the leaves of a document as pairs of a dotted key and a text.
function leaves(document, prefix = "") {
  if (document === null || typeof document !== "object") return [[prefix, JSON.stringify(document)]];
  const entries = Object.entries(document);
  if (!entries.length) return [[prefix, Array.isArray(document) ? "[]" : "{}"]];
  return entries.flatMap(([key, value]) => leaves(value, Array.isArray(document) ? `${prefix}[${key}]` : prefix ? `${prefix}.${key}` : key));
}

function Values({ document, words }) {
  const rows = leaves(document).filter(([key, text]) => !words || `${key} ${text}`.toLowerCase().includes(words));
  return html`<${Table} rows=${rows} label="Values" />`;
}

function Table({ rows, label }) {
  if (!rows.length) return html`<p class="quiet">Nothing matches.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}><table><thead><tr><th>key</th><th>value</th></tr></thead>
    <tbody>${rows.map(([key, text]) => html`<tr key=${key}><td><code>${key}</code></td><td class="wide"><code>${text}</code></td></tr>`)}</tbody></table></div>`;
}

function Environment({ id, words }) {
  const { data, error } = useData(`services/${encodeURIComponent(id)}/env`);
  return html`<section class="card" aria-label="Environment"><h2>Environment</h2>
    ${error && html`<${Problem} error=${error} />`}
    ${data && html`<${Table} label="Variables" rows=${Object.entries(data.env).filter(([key, text]) => !words || `${key} ${text}`.toLowerCase().includes(words))} />`}</section>`;
}
