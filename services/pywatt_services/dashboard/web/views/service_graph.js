// The graph of services, topics and targets: who calls whom, how often, with how many errors, and how fast.

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact-3.1.1.js";
import { follow } from "../api.js";
import { layout } from "../parts/graph_layout.js";
import { Problem, Waiting } from "../parts/loading.js";
import { duration } from "../parts/numbers.js";

const NARROW = "(max-width: 760px)";
const SMALLEST = 0.78; // share of its size that a graph may shrink to
const LONGEST_NAME = 14;
const KINDS = { service: "service", topic: "topic", target: "outside the app", clients: "outside the app" };
const TONES = { ready: "good", failed: "bad", "crash-loop": "bad", stopped: "off" };
const SHAPES = {
  topic: "M2 3h10v8H2zM5 3v8M9 3v8",
  target: "M7 1a6 6 0 1 0 0 12A6 6 0 0 0 7 1M1 7h12M7 1c-4 4-4 8 0 12 4-4 4-8 0-12",
  clients: "M7 6.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5M2 13c0-6 10-6 10 0",
};

function useNarrow() {
  const [narrow, setNarrow] = useState(matchMedia(NARROW).matches);
  useEffect(() => {
    const media = matchMedia(NARROW);
    const change = () => setNarrow(media.matches);
    media.addEventListener("change", change);
    return () => media.removeEventListener("change", change);
  }, []);
  return narrow;
}

export function rateText(rate) {
  if (!rate) return "0/s";
  return `${rate < 0.1 ? rate.toFixed(2) : rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en-US")}/s`;
}

function share({ rate, errors }) {
  return rate ? errors / rate : 0;
}

function shareText(traffic) {
  const found = share(traffic);
  return found ? `${(found * 100).toFixed(found < 0.1 ? 1 : 0)} %` : "0 %";
}

function edgeText(edge, names) {
  const { traffic } = edge;
  const way = `${names.get(edge.from)} to ${names.get(edge.to)}`;
  if (!traffic) return `${way}: no figures`;
  return `${way}: ${rateText(traffic.rate)}, errors ${shareText(traffic)}, p95 ${duration(traffic.p95)}`;
}

function short(name, most) {
  return name.length > most ? `${name.slice(0, Math.ceil(most * 0.6) - 1)}…${name.slice(-Math.floor(most * 0.4))}` : name;
}

export function ServiceGraph() {
  const [graph, setGraph] = useState(null);
  const [refused, setRefused] = useState(null);
  const [chosen, setChosen] = useState("");
  const narrow = useNarrow();
  useEffect(() => follow("graph/events", (_name, data) => setGraph(data), (state, error) => setRefused(state === "refused" ? error : null)), []);
  const nodes = (graph && graph.nodes) || [];
  const edges = ((graph && graph.edges) || []).filter((edge) => edge.from !== edge.to);
  const shape = JSON.stringify([nodes.map((node) => node.id), edges.map((edge) => [edge.from, edge.to])]);
  const plan = useMemo(() => layout(nodes, edges, narrow), [shape, narrow]);
  if (refused) return html`<${Problem} error=${refused} />`;
  if (!graph) return html`<${Waiting} />`;
  if (!nodes.length) return html`${graph.error && html`<${Problem} error=${graph.error} />`}${!graph.error && html`<p class="empty">There are no services.</p>`}`;
  const names = new Map(nodes.map((node) => [node.id, node.kind === "topic" ? `topic ${node.name}` : node.name]));
  const own = nodes.find((node) => node.id === chosen);
  const touches = (edge) => edge.from === chosen || edge.to === chosen;
  const rows = own ? edges.filter(touches) : edges;
  const choose = (id) => setChosen(chosen === id ? "" : id);
  const press = (id) => (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(id);
  };
  return html`
    ${graph.error && html`<${Problem} error=${graph.error} />`}
    <div class="card graph" tabindex="0" role="region" aria-label="Graph of the app">
      <svg viewBox="0 0 ${plan.width} ${plan.height}" width=${plan.width} style=${{ minWidth: `${plan.width * SMALLEST}px` }} role="group" aria-label="Services, topics and targets; the table below says the same" class=${own ? "choosing" : ""}>
        <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" /></marker></defs>
        ${plan.lines.map(({ path }, at) => html`<path key=${`${edges[at].from} ${edges[at].to}`} class="edge ${tone(edges[at])} ${chosen && touches(edges[at]) ? "chosen" : ""}" d=${path} marker-end="url(#arrow)" aria-hidden="true" />`)}
        ${nodes.map((node) => html`<${GraphNode} key=${node.id} node=${node} plan=${plan} chosen=${node.id === chosen} edges=${edges} names=${names} choose=${choose} press=${press} />`)}
        ${plan.lines.map(({ label }, at) => html`<${Figures} key=${`${edges[at].from} ${edges[at].to} figures`} edge=${edges[at]} at=${label} chosen=${chosen && touches(edges[at])} />`)}
      </svg>
    </div>
    <p class="quiet graph-note">${note(graph, edges)}</p>
    <section class="card" aria-label="Traffic">
      <div class="title"><h2>${own ? `Traffic of ${names.get(chosen)}` : "Traffic"}</h2>
        ${own && html`<span class="tools">${own.kind === "service" && html`<a href=${`#/logs?service=${encodeURIComponent(own.name)}`}>Its log</a>`}
          ${own.kind === "topic" && html`<a href=${`#/kafka?tab=topics&topic=${encodeURIComponent(own.name)}`}>Its records</a>`}
          <button onClick=${() => setChosen("")}>Show all</button></span>`}</div>
      <div class="scroll" tabindex="0" role="region" aria-label="Table of the traffic"><table>
        <thead><tr><th>from</th><th>to</th><th class="number">rate</th><th class="number">errors</th><th class="number">p95</th><th>measured by</th></tr></thead>
        <tbody>${rows.map(({ from, to, traffic }) => html`<tr key=${`${from} ${to}`}>
          <td>${names.get(from)}</td><td>${names.get(to)}</td>
          <td class="number">${traffic ? rateText(traffic.rate) : "–"}</td>
          <td class="number ${traffic && traffic.errors ? "bad-text" : ""}">${traffic ? shareText(traffic) : "–"}</td>
          <td class="number">${traffic ? duration(traffic.p95) : "–"}</td>
          <td class="quiet">${traffic ? traffic.source : "configuration only"}</td></tr>`)}</tbody>
      </table></div>
    </section>`;
}

function tone({ traffic }) {
  if (!traffic || !traffic.rate) return "still";
  return share(traffic) >= 0.05 ? "bad" : traffic.errors ? "warn" : "busy";
}

function note(graph, edges) {
  const sources = new Set(edges.map((edge) => edge.traffic && edge.traffic.source));
  const parts = ["Rate, share of errors and the 95th percentile of the time, over the last 30 s."];
  if (sources.has("traces")) parts.push("Figures from traces cover the last minute, and those requests that were traced.");
  if (!graph.counting) parts.push('Services count their calls once the root file has "metrics": true.');
  return parts.join(" ");
}

function GraphNode({ node, plan, chosen, edges, names, choose, press }) {
  const { x, y } = plan.places.get(node.id);
  const { node: width, height } = plan.size;
  const facts = edges.filter((edge) => edge.from === node.id || edge.to === node.id).map((edge) => edgeText(edge, names));
  const kind = node.state ? String(node.state).replaceAll("-", " ") : KINDS[node.kind];
  return html`<g class="node ${node.kind} ${chosen ? "chosen" : ""}" transform="translate(${x} ${y})" role="button" tabindex="0" data-node=${node.id}
      aria-pressed=${chosen ? "true" : "false"} aria-label=${[`${names.get(node.id)}, ${kind}`, ...facts].join("; ")} onClick=${() => choose(node.id)} onKeyDown=${press(node.id)}>
    <title>${node.name}</title>
    <rect width=${width} height=${height} rx=${node.kind === "topic" ? 4 : node.kind === "service" ? 9 : height / 2} />
    ${SHAPES[node.kind] ? html`<path class="shape" transform="translate(12 ${height / 2 - 7})" d=${SHAPES[node.kind]} />` : html`<circle class="dot ${TONES[node.state] || "warn"}" cx="19" cy=${height / 2} r="4.5" />`}
    <text x="34" y=${height / 2 - 3}>${short(node.name, LONGEST_NAME)}</text>
    <text class="kind" x="34" y=${height / 2 + 13}>${kind}</text>
  </g>`;
}

function Figures({ edge, at, chosen }) {
  const { traffic } = edge;
  if (!traffic) return null;
  const first = `${rateText(traffic.rate)}${traffic.errors ? ` · ${shareText(traffic)}` : ""}`;
  const second = traffic.p95 === null ? "" : duration(traffic.p95);
  const width = Math.max(first.length, second.length) * 6.1 + 10;
  const height = second ? 30 : 17;
  return html`<g class="figures ${tone(edge)} ${chosen ? "chosen" : ""}" transform="translate(${at.x} ${at.y})" aria-hidden="true">
    <rect x=${-width / 2} y=${-height / 2} width=${width} height=${height} rx="5" />
    <text y=${second ? -2 : 4}>${first}</text>
    ${second && html`<text class="p95" y="11">${second}</text>`}
  </g>`;
}
