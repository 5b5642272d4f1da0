// Profiles: where a worker spends its time, or what holds its memory; recorded on demand, as a flame graph and a table.

import { html, useEffect, useState } from "../vendor/htm-preact-3.1.1.js";
import { get, post } from "../api.js";
import { FlameGraph } from "../parts/flame_graph.js";
import { Problem, useData, Waiting } from "../parts/loading.js";
import { say, sayError } from "../parts/messages.js";
import { bytes, clock, count, plural } from "../parts/numbers.js";

const REFRESH_MS = 1000;
const TOP = 30;

export function ProfilesView({ about, app, query }) {
  const id = query.get("profile");
  return id ? html`<${Profile} id=${id} key=${id} />` : html`<${ProfileList} about=${about} app=${app} chosen=${query.get("service")} />`;
}

function ProfileList({ about, app, chosen }) {
  const [profiles, setProfiles] = useState(null);
  const [error, setError] = useState(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const ending = new AbortController();
    const look = async () => {
      while (!ending.signal.aborted) {
        try {
          setProfiles((await get("profiles", ending.signal)).profiles);
          setError(null);
        } catch (failure) {
          if (failure.name !== "AbortError") setError(failure);
        }
        await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
      }
    };
    look();
    return () => ending.abort();
  }, [turn]);
  const start = async (event) => {
    event.preventDefault();
    const { service, kind, seconds } = event.target.elements;
    try {
      const made = await post("profiles", { service: service.value, kind: kind.value, seconds: Number(seconds.value) });
      say(`Recording worker ${made.worker} of ${made.service} for ${made.seconds} s.`);
      setTurn((number) => number + 1);
    } catch (failure) {
      sayError(failure);
    }
  };
  const services = app && app.services ? app.services : [];
  return html`
    <div class="title"><h1>Profiles</h1></div>
    ${!about.readOnly && html`<form class="card fields" onSubmit=${start} aria-label="Record a profile">
      <label>Service <select name="service" value=${chosen || undefined}>${services.map((each) => html`<option value=${each.id}>${each.id}</option>`)}</select></label>
      <label>Of <select name="kind"><option value="cpu">time (cpu)</option><option value="memory">memory</option></select></label>
      <label>Seconds <input name="seconds" type="number" min="1" max="600" value="10" required /></label>
      <button class="primary" disabled=${!services.length}>Record</button>
      <p class="quiet">The worker goes on serving. Time is sampled by py-spy; recording memory slows it down meanwhile.</p>
    </form>`}
    ${error && html`<${Problem} error=${error} />`}
    ${!profiles && !error && html`<${Waiting} />`}
    ${profiles && !profiles.length && html`<p class="empty">No profile has been recorded here yet. <code>pywatt profile SERVICE</code> records one into a file.</p>`}
    ${profiles && profiles.length > 0 && html`<div class="card scroll" tabindex="0" role="region" aria-label="Profiles"><table>
      <thead><tr><th>time</th><th>service</th><th>of</th><th class="number">seconds</th><th>state</th></tr></thead>
      <tbody>${profiles.map((each) => html`<tr key=${each.id}><td>${clock(each.started * 1000)}</td>
        <td>${each.state === "done" ? html`<a href=${`#/profiles?profile=${each.id}`}>${each.service}</a>` : each.service} <small>worker ${each.worker}</small></td>
        <td>${each.kind}</td><td class="number">${each.seconds}</td>
        <td class="wide">${each.error ? html`<span class="state bad">failed</span> ${each.error.message}${each.error.hint && html` <small>${each.error.hint}</small>`}` : each.state}</td></tr>`)}</tbody>
    </table></div>`}`;
}

function Profile({ id }) {
  const { data, error } = useData(`profiles/${encodeURIComponent(id)}`);
  const crumbs = html`<p class="crumbs"><a href="#/profiles">Profiles</a> / <b>${data ? `${data.service}, ${data.kind}, ${clock(data.started * 1000)}` : id}</b></p>`;
  if (error) return html`<h1 class="hidden">Profile</h1>${crumbs}<${Problem} error=${error} />`;
  if (!data) return html`<h1 class="hidden">Profile</h1>${crumbs}<${Waiting} />`;
  if (!data.tree) return html`<h1 class="hidden">Profile</h1>${crumbs}<p class="empty">It is ${data.state}.</p>`;
  const format = data.kind === "memory" ? bytes : (weight) => plural(weight, "sample");
  const whole = Math.max(1, data.tree.weight);
  return html`<h1 class="hidden">Profile</h1>${crumbs}
    <${FlameGraph} tree=${data.tree} format=${format} />
    <section class="card" aria-label="Functions"><h2>Functions</h2>
      <div class="scroll" tabindex="0" role="region" aria-label="Functions by their own share"><table>
        <thead><tr><th>function</th><th class="number">own</th><th class="number">with callees</th></tr></thead>
        <tbody>${functionsOf(data.tree).slice(0, TOP).map((each) => html`<tr key=${each.name}><td class="wide"><code>${each.name}</code></td>
          <td class="number">${((each.own / whole) * 100).toFixed(1)} % <small>${data.kind === "memory" ? bytes(each.own) : count(each.own)}</small></td><td class="number">${((each.total / whole) * 100).toFixed(1)} %</td></tr>`)}</tbody>
      </table></div></section>`;
}

// Returns the functions by what they take themselves; one that calls itself counts once for each stack.
export function functionsOf(tree) {
  const found = new Map();
  const visit = (node, above) => {
    const one = found.get(node.name) || { name: node.name, own: 0, total: 0 };
    found.set(node.name, one);
    one.own += node.weight - node.callees.reduce((sum, each) => sum + each.weight, 0);
    if (!above.has(node.name)) one.total += node.weight;
    const here = new Set(above).add(node.name);
    for (const each of node.callees) visit(each, here);
  };
  for (const each of tree.callees) visit(each, new Set());
  return [...found.values()].sort((one, other) => other.own - one.own);
}
