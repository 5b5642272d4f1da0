// Topics; of one topic its partitions, configs and records, searched or followed; and publishing one record.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact-3.1.1.js";
import { follow, get } from "../api.js";
import { Problem, useData, Waiting } from "../parts/loading.js";
import { bytes, clock, count } from "../parts/numbers.js";
import { Publish } from "./kafka_publish.js";

const MOST_TAILED = 500;

export function Topics({ about, query, api, address }) {
  const topic = query.get("topic");
  if (topic) return html`<${Topic} key=${topic} about=${about} topic=${topic} api=${api} address=${address} />`;
  return html`<${TopicList} api=${api} address=${address} />`;
}

function TopicList({ api, address }) {
  const { data, error, again } = useData(api("topics"));
  const [filter, setFilter] = useState("");
  if (error) return html`<${Problem} error=${error} />`;
  if (!data) return html`<${Waiting} />`;
  const shown = data.topics.filter((each) => each.topic.toLowerCase().includes(filter.toLowerCase()));
  return html`
    <div class="title"><label class="search"><span class="hidden">Filter topics</span><input type="search" data-filter placeholder="Filter" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
      <span class="tools"><button onClick=${again}>Refresh</button></span></div>
    ${shown.length
      ? html`<div class="card scroll" tabindex="0" role="region" aria-label="Topics"><table>
          <thead><tr><th>topic</th><th class="number">partitions</th><th class="number">records</th></tr></thead>
          <tbody>${shown.map((each) => html`<tr key=${each.topic}><td><a href=${address({ tab: "topics", topic: each.topic })}>${each.topic}</a></td><td class="number">${each.partitions}</td><td class="number">${count(each.records)}</td></tr>`)}</tbody>
        </table></div>`
      : html`<p class="empty">No topic matches.</p>`}`;
}

function Topic({ about, topic, api, address }) {
  const path = `topics/${encodeURIComponent(topic)}`;
  const found = useData(api(path));
  const [search, setSearch] = useState({ from: "-50", search: "", partition: "" });
  const [records, setRecords] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const [tailing, setTailing] = useState(false);
  const [publishing, setPublishing] = useState(false);
  const read = async (event) => {
    event?.preventDefault();
    setTailing(false);
    setBusy(true);
    setError(null);
    try {
      setRecords(await get(api(`${path}/records`, search)));
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  useEffect(() => void read(), []);
  useEffect(() => {
    if (!tailing) return;
    setRecords({ records: [], complete: true, skipped: 0 });
    let waiting = [];
    let frame = 0;
    let skipped = 0;
    const show = () => {
      frame = 0;
      const newest = waiting.reverse();
      waiting = [];
      setRecords((before) => ({ records: [...newest, ...before.records].slice(0, MOST_TAILED), complete: true, skipped }));
    };
    const take = (name, data) => {
      if (name !== "records") return;
      skipped += data.skipped;
      waiting.push(...data.records);
      frame ||= requestAnimationFrame(show);
    };
    const end = follow(api(`${path}/events`, { partition: search.partition }), take, (state, failure) => state === "refused" && setError(failure));
    return () => {
      end();
      cancelAnimationFrame(frame);
    };
  }, [tailing]);
  const set = (key) => (event) => setSearch({ ...search, [key]: event.target.value });
  return html`
    <p class="crumbs"><a href=${address({ tab: "topics" })}>Topics</a> / <b>${topic}</b>
      ${!about.readOnly && html`<span class="tools"><button onClick=${() => setPublishing(true)}>Publish …</button></span>`}</p>
    ${found.error && html`<${Problem} error=${found.error} />`}
    ${found.data && html`<details class="card"><summary>${count(found.data.partitions.length)} partitions, ${Object.keys(found.data.configs).length} configs of its own</summary>
      <div class="scroll" tabindex="0" role="region" aria-label="Partitions"><table>
        <thead><tr><th>partition</th><th>leader</th><th>replicas</th><th>in sync</th><th class="number">beginning</th><th class="number">end</th></tr></thead>
        <tbody>${found.data.partitions.map((part) => html`<tr><td>${part.partition}</td><td>${part.leader ?? "–"}</td><td>${part.replicas.join(", ")}</td><td>${part.inSyncReplicas.join(", ")}</td><td class="number">${count(part.beginning)}</td><td class="number">${count(part.end)}</td></tr>`)}</tbody>
      </table></div>
      <dl class="facts">${Object.entries(found.data.configs).map(([name, value]) => html`<div><dt>${name}</dt><dd><code>${value}</code></dd></div>`)}</dl>
    </details>`}
    <form class="title filters" onSubmit=${read}>
      <label>From <input value=${search.from} onInput=${set("from")} size="9" title="earliest, latest, an offset, -50 (the last 50 of each partition), 10m, 2026-03-01T12:30" /></label>
      <label>Partition <input value=${search.partition} onInput=${set("partition")} size="4" placeholder="all" inputmode="numeric" /></label>
      <label class="search"><span class="hidden">Search records</span><input type="search" data-filter placeholder="Search key, value, headers (regex)" value=${search.search} onInput=${set("search")} /></label>
      <button class="primary" disabled=${busy}>${busy ? "Reading …" : "Read"}</button>
      <button type="button" aria-pressed=${tailing ? "true" : "false"} onClick=${() => setTailing(!tailing)}>${tailing ? "Following" : "Follow"}</button>
    </form>
    ${error && html`<${Problem} error=${error} />`}
    ${records && html`<${Records} found=${records} tailing=${tailing} />`}
    ${publishing && html`<${Publish} topic=${topic} api=${api} onClose=${() => setPublishing(false)} onDone=${() => !tailing && read()} />`}
  `;
}

export function shown(value) {
  if (value === null || value === undefined) return "null";
  return typeof value === "string" ? value : value.base64 !== undefined ? `base64 ${value.base64}` : JSON.stringify(value);
}

export function pretty(value) {
  const text = shown(value);
  try {
    const document = JSON.parse(text);
    return document !== null && typeof document === "object" ? JSON.stringify(document, null, 2) : text;
  } catch {
    return text;
  }
}

function Records({ found, tailing }) {
  if (!found.records.length) return html`<p class="empty">${tailing ? "New records appear here." : "There are no such records."}</p>`;
  return html`<ul class="records" aria-label="Records">${found.records.map((each) => html`<${RecordRow} key=${`${each.partition}@${each.offset}`} record=${each} />`)}</ul>
    ${found.skipped > 0 && html`<p class="quiet">${count(found.skipped)} records not shown: they come faster than this page follows.</p>`}
    ${!found.complete && html`<p class="quiet">There are more: narrow the search, or begin elsewhere.</p>`}`;
}

function RecordRow({ record }) {
  const [open, setOpen] = useState(false);
  const id = `record-${record.partition}-${record.offset}`;
  return html`<li>
    <button class="record" aria-expanded=${open ? "true" : "false"} aria-controls=${id} onClick=${() => setOpen(!open)}>
      <span class="chevron" aria-hidden="true"></span><span class="quiet">${record.partition}@${record.offset}</span><span class="quiet">${record.timestamp >= 0 ? clock(record.timestamp, true) : ""}</span>
      <b>${record.key === null ? "" : shown(record.key)}</b><span class="value">${record.value === null ? "tombstone" : shown(record.value)}</span>
    </button>
    ${open && html`<div class="panel" id=${id}>
      <dl class="facts">
        <div><dt>key</dt><dd><code>${shown(record.key)}</code></dd></div>
        <div><dt>size</dt><dd>${bytes(record.size)}${record.cut ? ", shown in part" : ""}</dd></div>
        ${Object.entries(record.headers || {}).map(([name, value]) => html`<div><dt>${name}</dt><dd><code>${Array.isArray(value) ? value.map(shown).join(", ") : shown(value)}</code></dd></div>`)}
      </dl>
      <pre>${pretty(record.value)}</pre>
    </div>`}
  </li>`;
}
