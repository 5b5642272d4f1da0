// Every metric of the app as a chart, for as long as this page has been open. Counters are shown as rates.

import { html, useEffect, useState } from "../vendor/htm-preact-3.1.1.js";
import { get } from "../api.js";
import { Problem, Waiting } from "../parts/loading.js";
import { bytes, count, duration } from "../parts/numbers.js";
import { addPoint, TimeChart } from "../parts/time_chart.js";

const SECONDS = 2;
const SHOWN = 8;
const MOST_SERIES = 2000;
const history = new Map();

// Takes one look at all metrics into the history; a counter gives its rate since the look before.
export function take(families, at) {
  for (const family of families) {
    const counts = family.type === "counter" || family.type === "histogram" || family.type === "summary";
    for (const each of family.values) {
      if (each.metricName.endsWith("_bucket") || each.labels.quantile !== undefined) continue;
      const labels = Object.entries(each.labels).map(([key, value]) => `${key}=${value}`).join(", ");
      const id = `${each.metricName}{${labels}}`;
      if (!history.has(id) && history.size >= MOST_SERIES) continue;
      const series = history.get(id) || { family: family.name, name: each.metricName, labels, points: [], last: null };
      const value = Number(each.value);
      if (!counts) series.points = addPoint(series.points, at, value);
      else if (series.last) series.points = addPoint(series.points, at, Math.max(0, value - series.last.value) / (at - series.last.at));
      series.last = { at, value };
      series.counts = counts;
      history.set(id, series);
    }
  }
}

function formatOf(family, series) {
  if (series.counts && !series.name.endsWith("_sum")) return (value) => (value === null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)}/s`);
  if (series.name.includes("bytes")) return series.counts ? (value) => (value === null ? "–" : `${bytes(value)}/s`) : bytes;
  if (series.name.includes("seconds")) return series.counts ? (value) => (value === null ? "–" : `${value.toFixed(2)} s/s`) : duration;
  return (value) => (value === null ? "–" : count(Math.round(value * 100) / 100));
}

export function MetricsView() {
  const [data, setData] = useState(null);
  const [error, setError] = useState(null);
  const [filter, setFilter] = useState("");
  const [all, setAll] = useState(null);
  useEffect(() => {
    const ending = new AbortController();
    const look = async () => {
      while (!ending.signal.aborted) {
        try {
          const found = await get("metrics", ending.signal);
          take(found.metrics, performance.now() / 1000);
          setData({ ...found });
          setError(null);
        } catch (failure) {
          if (failure.name !== "AbortError") setError(failure);
        }
        await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
      }
    };
    look();
    return () => ending.abort();
  }, []);
  if (error) return html`<h1>Metrics</h1><${Problem} error=${error} />`;
  if (!data) return html`<h1>Metrics</h1><${Waiting} />`;
  const words = filter.trim().toLowerCase();
  const shown = data.metrics
    .map((family) => ({ family, series: [...history.values()].filter((each) => each.family === family.name && (!words || `${each.name} ${each.labels} ${family.help}`.toLowerCase().includes(words))) }))
    .filter(({ series }) => series.length);
  return html`
    <div class="title"><h1>Metrics</h1>
      <label class="search"><span class="hidden">Filter metrics</span><input type="search" data-filter placeholder="Filter" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label></div>
    ${!data.counting && html`<p class="card">Workers count their requests once the root file has <code>"metrics": true</code>. What the supervisor knows is here without it.</p>`}
    ${shown.length ? "" : html`<p class="empty">No metric matches.</p>`}
    <div class="stack">${shown.map(({ family, series }) => {
      const rows = all === family.name ? series : series.slice(0, SHOWN);
      return html`<section class="card metric" key=${family.name} aria-label=${family.name}>
        <h2>${family.name}</h2><p class="quiet">${family.help}</p>
        <div class="charts">${rows.map((each) => html`<${TimeChart} key=${each.name + each.labels} title=${`${each.name === family.name ? "" : each.name.slice(family.name.length + 1) + " "}${each.labels || "app"}`} points=${each.points} format=${formatOf(family, each)} />`)}</div>
        ${series.length > rows.length && html`<button onClick=${() => setAll(family.name)}>Show all ${series.length}</button>`}
      </section>`;
    })}</div>`;
}
