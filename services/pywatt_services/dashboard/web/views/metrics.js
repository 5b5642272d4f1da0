// Every metric of the app as a chart, for the time that the app keeps. Counters are rates, histograms have a p95.

import { html, useEffect, useState } from "../vendor/htm-preact-3.1.1.js";
import { get } from "../api.js";
import { InSight } from "../parts/in_sight.js";
import { Problem, Waiting } from "../parts/loading.js";
import { MetricsHistory } from "../parts/metrics_history.js";
import { bytes, count, duration, plural } from "../parts/numbers.js";
import { TimeChart } from "../parts/time_chart.js";

const SECONDS = 2;
const SHOWN = 8;
const ROW = 130;
const REFUSED = "pywatt_otlp_refused_points_total";

function formatOf(family, series) {
  const each = series.rate && !series.name.endsWith("_sum") && !/bytes|seconds/.test(series.name);
  if (each) return (value) => (value === null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)}/s`);
  if (/bytes/.test(series.name)) return series.rate ? (value) => (value === null ? "–" : `${bytes(value)}/s`) : bytes;
  if (/seconds/.test(series.name) && !series.name.endsWith("_count")) {
    return series.rate ? (value) => (value === null ? "–" : `${value.toFixed(2)} s/s`) : duration;
  }
  if (series.rate) return (value) => (value === null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)}/s`);
  return (value) => (value === null ? "–" : count(Math.round(value * 100) / 100));
}

function titleOf(family, series) {
  const labels = Object.entries(series.labels).map(([key, value]) => `${key}=${value}`).join(", ");
  const part = series.name === family.name ? "" : `${series.name.slice(family.name.length).replace(/^[_ ]/, "")} `;
  return `${part}${labels || "app"}`;
}

export function MetricsView({ about }) {
  const [history] = useState(() => new MetricsHistory());
  const [data, setData] = useState(null);
  const [error, setError] = useState(null);
  const [filter, setFilter] = useState("");
  const [all, setAll] = useState(null);
  useEffect(() => {
    const ending = new AbortController();
    const look = async () => {
      while (!ending.signal.aborted) {
        try {
          const found = await get(`metrics/history?after=${history.newest}`, ending.signal);
          history.add(found);
          setData({ counting: found.counting, problem: found.problem, leftOut: found.leftOut });
          setError(null);
        } catch (failure) {
          if (failure.name !== "AbortError") setError(failure);
        }
        if (about.recording) return;
        await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
      }
    };
    look();
    return () => ending.abort();
  }, []);
  if (error) return html`<h1>Metrics</h1><${Problem} error=${error} />`;
  if (!data) return html`<h1>Metrics</h1><${Waiting} />`;
  const words = filter.trim().toLowerCase();
  const shown = history.families
    .map((family) => ({ family, series: family.series.filter((each) => !words || `${each.name} ${titleOf(family, each)} ${family.help}`.toLowerCase().includes(words)) }))
    .filter(({ series }) => series.length);
  const refused = history.families.some((family) => family.name === REFUSED);
  return html`
    <div class="title"><h1>Metrics</h1>
      <label class="search"><span class="hidden">Filter metrics</span><input type="search" data-filter placeholder="Filter" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label></div>
    ${data.problem && html`<p class="failure" role="alert">${data.problem}</p>`}
    ${!data.counting && !about.recording && html`<p class="card">Workers count their requests once the root file has <code>"metrics": true</code>. What the supervisor knows, and what services send by OTLP, is here without it.</p>`}
    ${data.leftOut > 0 && html`<p class="card" role="status">The app has ${plural(data.leftOut, "more series", "more series")} than this page shows: <code>pywatt metrics</code> prints all.</p>`}
    ${refused && html`<p class="card" role="status">Services send more series by OTLP than the app keeps; some are left out.</p>`}
    ${shown.length ? "" : html`<p class="empty">No metric matches.</p>`}
    <div class="stack">${shown.map(({ family, series }) => {
      const rows = all === family.name ? series : series.slice(0, SHOWN);
      return html`<section class="card metric" key=${family.name} aria-label=${family.name}>
        <h2>${family.name}</h2><p class="quiet">${family.help}</p>
        <${InSight} height=${Math.ceil(rows.length / 3) * ROW}>${() => html`<div class="charts">${rows.map((each) => html`<${TimeChart} key=${each.id} title=${titleOf(family, each)} points=${each.points} format=${formatOf(family, each)} />`)}</div>`}</${InSight}>
        ${series.length > rows.length && html`<button onClick=${() => setAll(family.name)}>Show all ${series.length}</button>`}
      </section>`;
    })}</div>`;
}
