// Consumer groups with their lag, in records and seconds, over time.

import { html, useEffect, useState } from "../vendor/htm-preact-3.1.1.js";
import { follow } from "../api.js";
import { Problem, useData, Waiting } from "../parts/loading.js";
import { count, duration } from "../parts/numbers.js";
import { addPoint, TimeChart } from "../parts/time_chart.js";

const history = new Map();

export function Groups({ query, api, address }) {
  const [data, setData] = useState(null);
  const [error, setError] = useState(null);
  const opened = query.get("group");
  useEffect(() => {
    const take = (_name, found) => {
      for (const group of found.groups) {
        const kept = history.get(group.group) || { lag: [], seconds: [] };
        history.set(group.group, { lag: addPoint(kept.lag, found.at, group.lag), seconds: addPoint(kept.seconds, found.at, group.seconds) });
      }
      for (const name of history.keys()) if (!found.groups.some((group) => group.group === name)) history.delete(name);
      setData(found);
    };
    return follow(api("groups/events"), take, (state, failure) => setError(state === "refused" ? failure : null));
  }, []);
  if (error) return html`<${Problem} error=${error} />`;
  if (!data) return html`<${Waiting} />`;
  if (!data.groups.length) return html`<p class="empty">The cluster has no consumer groups.</p>`;
  return html`<ul class="stack" aria-label="Consumer groups">${data.groups.map((group) => {
    const kept = history.get(group.group);
    return html`<li class="card group" key=${group.group}>
      <div class="title"><h2><a href=${address({ tab: "groups", group: opened === group.group ? "" : group.group })}>${group.group}</a></h2>
        <span class="quiet">${[group.state.toLowerCase(), group.type].filter(Boolean).join(", ")}${group.members === null ? "" : `, ${count(group.members)} members`}</span>
        <span class="quiet">${group.topics.join(", ")}</span></div>
      <div class="charts"><${TimeChart} title="lag in records" points=${kept.lag} format=${(value) => count(value)} />
        <${TimeChart} title="lag in time" points=${kept.seconds} format=${(value) => duration(value)} /></div>
      ${opened === group.group && html`<${Group} name=${group.group} api=${api} lag=${group.lag} />`}
    </li>`;
  })}</ul>${data.more > 0 && html`<p class="quiet">${count(data.more)} more groups are not measured.</p>`}`;
}

function Group({ name, api, lag }) {
  const { data, error, again } = useData(api(`groups/${encodeURIComponent(name)}`));
  useEffect(() => void (data && again()), [lag]);
  if (error) return html`<${Problem} error=${error} />`;
  if (!data) return html`<${Waiting} />`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Partitions of ${name}"><table>
    <thead><tr><th>topic</th><th>partition</th><th class="number">committed</th><th class="number">end</th><th class="number">lag</th><th>behind</th><th>client</th></tr></thead>
    <tbody>${data.partitions.map((part) => html`<tr><td>${part.topic}</td><td>${part.partition}</td><td class="number">${count(part.committed)}</td><td class="number">${count(part.end)}</td><td class="number">${count(part.lag)}</td><td>${duration(part.seconds)}</td><td>${part.client || "–"}</td></tr>`)}</tbody>
  </table></div>`;
}
