// The configuration that applies, the environment of each service, and the routes; secrets are hidden by the app.

import { html, useState } from "../vendor/htm-preact-3.1.1.js";
import { Problem, useData, Waiting } from "../parts/loading.js";
import { plural } from "../parts/numbers.js";

export function ConfigView({ query }) {
  const { data, error, again } = useData("config?sources=true");
  const [filter, setFilter] = useState("");
  if (error) return html`<h1>Config</h1><${Problem} error=${error} />`;
  if (!data) return html`<h1>Config</h1><${Waiting} />`;
  const { services, sources, ...app } = data;
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
    ${sources && html`<${Sources} sources=${sources} rows=${service ? sources.services[service.id] || [] : sources.app} root=${app.root} words=${words} />`}
    <section class="card" aria-label="Configuration"><h2>${service ? service.id : "App"}, as pywatt runs it</h2>
      <p class="quiet">From <code>${service ? service.file || app.file : app.file}</code>, with defaults. Durations are seconds.</p>
      <${Values} document=${service || app} words=${words} /></section>
    ${service && html`<${Environment} id=${service.id} words=${words} />`}`;
}

// Says where a value comes from, in words.
function whence(row, root) {
  if (row.source !== "file") return row.source;
  const file = row.file.startsWith(`${root}/`) ? row.file.slice(root.length + 1) : row.file;
  return `${file}${row.line ? `:${row.line}` : ""}${row.variables.length ? `, ${row.variables.join(", ")}` : ""}`;
}

function Sources({ sources, rows, root, words }) {
  const [defaults, setDefaults] = useState(false);
  const told = rows.map((row) => [row.key, JSON.stringify(row.value), whence(row, root), row.source]);
  const shown = told.filter(([key, text, source, kind]) => (defaults || kind !== "default") && (!words || `${key} ${text} ${source}`.toLowerCase().includes(words)));
  const count = told.filter(([, , , kind]) => kind === "default").length;
  return html`<section class="card" aria-label="Values and sources"><div class="title"><h2>Values and where they come from</h2>
      <span class="tools"><button aria-pressed=${defaults ? "true" : "false"} onClick=${() => setDefaults(!defaults)}>${plural(count, "default")}</button></span></div>
    <p class="quiet">As the files are now: a reload applies their changes.</p>
    ${sources.problems.map((problem) => html`<p class="failure" role="alert">${problem}</p>`)}
    ${shown.length
      ? html`<div class="scroll" tabindex="0" role="region" aria-label="Sources"><table><thead><tr><th>key</th><th>value</th><th>from</th></tr></thead>
          <tbody>${shown.map(([key, text, source]) => html`<tr key=${key}><td><code>${key}</code></td><td class="wide"><code>${text}</code></td><td class="wide">${source}</td></tr>`)}</tbody></table></div>`
      : html`<p class="quiet">${words ? "Nothing matches." : "Nothing is written: all values are defaults."}</p>`}</section>`;
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
