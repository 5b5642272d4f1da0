// Traces: a list of requests, newest or slowest or failing, and the waterfall of one.

import { html, useEffect, useState } from "../vendor/htm-preact-3.1.1.js";
import { get } from "../api.js";
import { Problem, useData, Waiting } from "../parts/loading.js";
import { clock, count, duration, plural } from "../parts/numbers.js";

const REFRESH_MS = 2000;
const HUES = [174, 214, 28, 268, 340, 96, 48, 300];

export function TracesView({ query }) {
  const trace = query.get("trace");
  return trace ? html`<${Waterfall} id=${trace} key=${trace} marked=${query.get("span")} />` : html`<${TraceList} />`;
}

function TraceList() {
  const [filter, setFilter] = useState({ text: "", sort: "", errors: "" });
  const [data, setData] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    const ending = new AbortController();
    const look = async () => {
      while (!ending.signal.aborted) {
        try {
          setData(await get(`traces?${new URLSearchParams(filter)}`, ending.signal));
          setError(null);
        } catch (failure) {
          if (failure.name !== "AbortError") setError(failure);
        }
        await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
      }
    };
    look();
    return () => ending.abort();
  }, [JSON.stringify(filter)]);
  const toggle = (key, value) => setFilter({ ...filter, [key]: filter[key] ? "" : value });
  return html`
    <div class="title"><h1>Traces</h1>
      <label class="search"><span class="hidden">Search traces</span><input type="search" data-filter placeholder="Name, attribute or id" value=${filter.text} onInput=${(event) => setFilter({ ...filter, text: event.target.value })} /></label>
      <button aria-pressed=${filter.sort ? "true" : "false"} onClick=${() => toggle("sort", "slowest")}>Slowest</button>
      <button aria-pressed=${filter.errors ? "true" : "false"} onClick=${() => toggle("errors", "true")}>Failing</button>
      ${data && html`<span class="tools quiet" role="status">${plural(data.count, "trace")}${data.forgotten ? `, ${count(data.forgotten)} older gone` : ""}</span>`}
    </div>
    ${error && html`<${Problem} error=${error} />`}
    ${!data && !error && html`<${Waiting} />`}
    ${data && !data.traces.length && html`<p class="empty">No trace. Services send them by OTLP to OTEL_EXPORTER_OTLP_ENDPOINT, which each has in development. Python services and the gateway do it with <code>pip install 'pywatt[telemetry]'</code>.</p>`}
    ${data && data.traces.length > 0 && html`<div class="card scroll" tabindex="0" role="region" aria-label="Traces"><table>
      <thead><tr><th>time</th><th>request</th><th>services</th><th class="number">spans</th><th class="number">duration</th></tr></thead>
      <tbody>${data.traces.map((each) => html`<tr key=${each.trace}><td>${clock(each.start * 1000)}</td><td class="wide"><a href=${`#/traces?trace=${each.trace}`}>${each.name || each.trace}</a>${each.errors > 0 && html` <span class="state bad">${plural(each.errors, "error")}</span>`}</td><td class="wide">${each.services.join(", ")}</td><td class="number">${count(each.spans)}</td><td class="number">${duration(each.duration)}</td></tr>`)}</tbody>
    </table></div>`}`;
}

// Returns the spans in the order of a tree, with their depth; one whose parent is not here is a root.
function ordered(spans) {
  const ids = new Set(spans.map((span) => span.span));
  const children = new Map();
  for (const span of spans) {
    const parent = ids.has(span.parent) && span.parent !== span.span ? span.parent : "";
    children.set(parent, [...(children.get(parent) || []), span]);
  }
  const rows = [];
  const seen = new Set();
  const visit = (span, depth) => {
    if (seen.has(span.span)) return;
    seen.add(span.span);
    rows.push({ span, depth });
    for (const child of children.get(span.span) || []) visit(child, depth + 1);
  };
  for (const span of children.get("") || []) visit(span, 0);
  for (const span of spans) visit(span, 0);
  return rows;
}

function Waterfall({ id, marked }) {
  const { data, error, again } = useData(`traces/${encodeURIComponent(id)}`);
  const [selected, setSelected] = useState(marked);
  if (error) return html`<${Crumbs} id=${id} /><${Problem} error=${error} /><p><a href=${`#/logs?trace=${id}`}>Its log records</a></p>`;
  if (!data) return html`<${Crumbs} id=${id} /><${Waiting} />`;
  const rows = ordered(data.spanList);
  const begin = data.start * 1e9;
  const whole = Math.max(data.duration * 1e9, 1);
  const hue = (service) => HUES[data.services.indexOf(service) % HUES.length];
  const open = data.spanList.find((span) => span.span === selected);
  return html`
    <${Crumbs} id=${id}><button onClick=${again}>Refresh</button></${Crumbs}>
    <p class="legend">${plural(data.spans, "span")}, ${duration(data.duration)} ${data.services.map((service) => html`<span><svg viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" rx="2" fill=${`hsl(${hue(service)} 55% 45%)`} /></svg>${service}</span>`)} <a href=${`#/logs?trace=${id}`}>Its log records</a></p>
    ${data.leftOut > 0 && html`<p class="quiet">${count(data.leftOut)} more spans are not kept.</p>`}
    <ul class="waterfall" aria-label="Spans">${rows.map(({ span, depth }) => {
      const left = Math.max(0, Math.min(99.5, ((span.start - begin) / whole) * 100));
      const width = Math.max(0.4, Math.min(100 - left, ((span.end - span.start) / whole) * 100));
      return html`<li key=${span.span}><button class=${span.span === selected ? "chosen" : ""} aria-expanded=${span.span === selected ? "true" : "false"} onClick=${() => setSelected(span.span === selected ? null : span.span)}>
        <span class="span-name" style=${{ paddingLeft: `${Math.min(depth, 12) * 0.9}rem` }}>${span.error && html`<span class="state bad"><span class="hidden">failed</span></span>`}<b>${span.name}</b> <small>${span.service} ${span.kind}</small></span>
        <span class="bar-space"><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect x=${left} y="1" width=${width} height="8" rx="0.4" fill=${`hsl(${hue(span.service)} 55% 45%)`} /></svg></span>
        <span class="span-time">${duration((span.end - span.start) / 1e9)}</span>
      </button></li>`;
    })}</ul>
    ${open && html`<${SpanDetails} span=${open} begin=${begin} onClose=${() => setSelected(null)} />`}`;
}

function Crumbs({ id, children }) {
  return html`<h1 class="hidden">Trace</h1><p class="crumbs"><a href="#/traces">Traces</a> / <b><code>${id}</code></b><span class="tools">${children}</span></p>`;
}

function value(thing) {
  return typeof thing === "string" ? thing : JSON.stringify(thing);
}

function SpanDetails({ span, begin, onClose }) {
  return html`<section class="details card" aria-label="Span">
    <div class="title"><h2>${span.name}</h2><span class="tools"><button class="quiet" onClick=${onClose} aria-label="Close the span">×</button></span></div>
    ${span.message && html`<p class="failure">${span.message}</p>`}
    <dl class="facts">
      <div><dt>service</dt><dd>${span.service}</dd></div><div><dt>begins</dt><dd>after ${duration((span.start - begin) / 1e9)}</dd></div>
      <div><dt>span</dt><dd><code>${span.span}</code></dd></div>
      ${Object.entries(span.attributes).map(([key, thing]) => html`<div><dt>${key}</dt><dd><code>${value(thing)}</code></dd></div>`)}
    </dl>
    ${span.events.map((event) => html`<h3>${event.name} <small>after ${duration((event.time - begin) / 1e9)}</small></h3>
      ${event.attributes["exception.stacktrace"] ? html`<pre class="stack">${event.attributes["exception.stacktrace"]}</pre>` : html`<dl class="facts">${Object.entries(event.attributes).map(([key, thing]) => html`<div><dt>${key}</dt><dd><code>${value(thing)}</code></dd></div>`)}</dl>`}`)}
    ${span.links.length > 0 && html`<h3>Links</h3><ul>${span.links.map((link) => html`<li><a href=${`#/traces?trace=${link.trace}&span=${link.span}`}><code>${link.trace}</code></a></li>`)}</ul>`}
  </section>`;
}
