// The services of the app, live, and what can be done with them.

import { html, useMemo, useState } from "../vendor/htm-preact-3.1.1.js";
import { Problem } from "../parts/loading.js";
import { bytes, duration, percent, plural } from "../parts/numbers.js";
import { Sparkline } from "../parts/sparkline.js";
import { ServiceAction } from "./service_actions.js";
import { ServiceGraph } from "./service_graph.js";

const KEPT = 60;
const history = new Map();
let counted = null;

const TONES = {
  ready: "good",
  degraded: "warn",
  starting: "warn",
  restarting: "warn",
  "not ready": "warn",
  failed: "bad",
  "crash loop": "bad",
  stopped: "off",
};

export function State({ state }) {
  const words = String(state).replaceAll("_", " ").replaceAll("-", " ");
  return html`<span class="state ${TONES[words] || "warn"}">${words}</span>`;
}

function memoryOf(service) {
  return service.workers.reduce((sum, worker) => sum + (worker.memory ? worker.memory.pss || worker.memory.rss || 0 : 0), 0);
}

function cpuOf(service) {
  return service.workers.reduce((sum, worker) => sum + (worker.cpu || 0), 0);
}

// Keeps the last values of each service for its curves.
function remember(app) {
  if (app === counted) return;
  counted = app;
  const ids = new Set();
  for (const service of app.services) {
    ids.add(service.id);
    const kept = history.get(service.id) || { memory: [], cpu: [] };
    kept.memory = [...kept.memory.slice(1 - KEPT), memoryOf(service)];
    kept.cpu = [...kept.cpu.slice(1 - KEPT), cpuOf(service)];
    history.set(service.id, kept);
  }
  for (const id of history.keys()) if (!ids.has(id)) history.delete(id);
}

export function ServicesView({ about, app, connected, query }) {
  const [action, setAction] = useState(null);
  const [filter, setFilter] = useState("");
  const [opened, setOpened] = useState(new Set());
  const services = app && app.services ? app.services : [];
  if (services.length) remember(app);
  const words = filter.trim().toLowerCase();
  const shown = useMemo(
    () => services.filter((each) => !words || `${each.id} ${each.type} ${each.state}`.toLowerCase().includes(words)),
    [app, words],
  );
  if (!app) return html`<h1>Services</h1><p class="empty">${connected ? "Asking the app …" : "Connecting …"}</p>`;
  const own = services.filter((each) => !each.internal);
  const ready = own.filter((each) => each.state === "ready").length;
  const toggle = (id) => {
    const next = new Set(opened);
    if (!next.delete(id)) next.add(id);
    setOpened(next);
  };
  const graph = query.get("tab") === "graph";
  const act = about.readOnly ? null : (kind, service) => setAction({ kind, service });
  return html`
    <div class="title">
      <h1>Services</h1>
      <div class="tabs" role="navigation" aria-label="Services">
        <a href="#/services" aria-current=${graph ? undefined : "page"}>List</a>
        <a href="#/services?tab=graph" aria-current=${graph ? "page" : undefined}>Graph</a>
      </div>
      ${!graph && html`<label class="search"><span class="hidden">Filter services</span>
        <input type="search" data-filter placeholder="Filter" value=${filter} onInput=${(event) => setFilter(event.target.value)} />
      </label>`}
      ${act && html`<span class="tools">
        <button onClick=${() => act("reload")}>Reload …</button>
        <button onClick=${() => act("restart-all")}>Restart all …</button>
        <button onClick=${() => act("stop-app")}>Stop app …</button>
      </span>`}
    </div>
    ${app.error && html`<${Problem} error=${app.error} />`}
    <dl class="tiles">
      <div class=${ready === own.length ? "" : "alert"}><dt>ready</dt><dd>${ready}<small> of ${own.length}</small></dd></div>
      <div><dt>workers</dt><dd>${services.reduce((sum, each) => sum + each.workers.length, 0)}</dd></div>
      <div><dt>restarts</dt><dd>${services.reduce((sum, each) => sum + each.restarts, 0)}</dd></div>
      <div><dt>memory</dt><dd>${bytes(services.reduce((sum, each) => sum + memoryOf(each), 0))}</dd></div>
      <div><dt>CPU</dt><dd>${percent(services.reduce((sum, each) => sum + cpuOf(each), 0))}</dd></div>
    </dl>
    ${graph
      ? html`<${ServiceGraph} />`
      : shown.length
      ? html`<ul class="services" aria-label="Services">
          ${shown.map((each) => html`<${Service} key=${each.id} service=${each} open=${opened.has(each.id)} toggle=${toggle} act=${act} />`)}
        </ul>`
      : html`<p class="empty">No service matches.</p>`}
    ${action && html`<${ServiceAction} ...${action} services=${services} onClose=${() => setAction(null)} />`}
  `;
}

function Service({ service, open, toggle, act }) {
  const kept = history.get(service.id) || { memory: [], cpu: [] };
  const stopped = service.state === "stopped";
  const changeable = act && service.id !== "pywatt.control";
  const panel = `workers-${service.id}`;
  return html`<li class="service ${service.internal ? "internal" : ""}" data-service=${service.id}>
    <div class="row">
      <button class="name" aria-expanded=${open ? "true" : "false"} aria-controls=${panel} onClick=${() => toggle(service.id)}>
        <span class="chevron" aria-hidden="true"></span>
        <span><b>${service.id}</b><small>${service.type}${service.entrypoint ? " · entrypoint" : ""}${service.internal ? " · pywatt's own" : ""}</small></span>
      </button>
      <span class="cell"><${State} state=${service.state} /></span>
      <span class="cell" data-label="workers">${service.ready}<small> of ${service.workers.length} ready</small></span>
      <span class="cell" data-label="restarts">${service.restarts}<small> ${service.restarts === 1 ? "restart" : "restarts"}</small></span>
      <span class="cell curve" data-label="memory"><${Sparkline} values=${kept.memory} /><span>${bytes(memoryOf(service))}</span></span>
      <span class="cell curve" data-label="CPU"><${Sparkline} values=${kept.cpu} ceiling=${0.2} /><span>${percent(cpuOf(service))}</span></span>
      <span class="acts">
        ${changeable && (stopped
          ? html`<button onClick=${() => act("start", service)} aria-label="Start ${service.id}">Start</button>`
          : html`<button onClick=${() => act("restart", service)} aria-label="Restart ${service.id}">Restart</button>
              <button onClick=${() => act("scale", service)} aria-label="Scale ${service.id}">Scale</button>
              <button onClick=${() => act("stop", service)} aria-label="Stop ${service.id}">Stop</button>`)}
      </span>
    </div>
    ${service.detail && html`<p class="detail">${service.detail}</p>`}
    ${open && html`<div class="panel" id=${panel}><${Workers} service=${service} act=${act} /></div>`}
  </li>`;
}

function Workers({ service, act }) {
  return html`
    <dl class="facts">
      <div><dt>folder</dt><dd><code>${service.path}</code></dd></div>
      ${service.url && html`<div><dt>loopback</dt><dd><code>${service.url}</code></dd></div>`}
    </dl>
    ${service.workers.length
      ? html`<div class="scroll" tabindex="0" role="region" aria-label="Workers of ${service.id}"><table>
          <thead><tr><th>worker</th><th>state</th><th>pid</th><th>up</th><th>memory</th><th>CPU</th></tr></thead>
          <tbody>${service.workers.map(
            (worker) => html`<tr key=${worker.slot + "-" + worker.pid}>
              <td>${worker.slot}</td><td>${worker.state}</td><td>${worker.pid ?? "–"}</td><td>${duration(worker.uptime)}</td>
              <td>${worker.memory ? bytes(worker.memory.pss ?? worker.memory.rss) : "–"}</td><td>${percent(worker.cpu)}</td>
            </tr>`,
          )}</tbody>
        </table></div>`
      : html`<p class="quiet">${plural(0, "worker")}</p>`}
    <p class="links"><a href=${`#/logs?service=${encodeURIComponent(service.id)}`}>Its log</a>${act && html` <a href=${`#/profiles?service=${encodeURIComponent(service.id)}`}>Record a profile</a>`}</p>
  `;
}
