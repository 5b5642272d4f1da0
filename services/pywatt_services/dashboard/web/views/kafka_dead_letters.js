// Dead letters: pages of a topic, one letter whole, an edited copy, redrive and purge with what would happen said first.

import { html, useEffect, useState } from "../vendor/htm-preact-3.1.1.js";
import { get, post } from "../api.js";
import { Confirm, Dialog } from "../parts/dialog.js";
import { Problem, useData, Waiting } from "../parts/loading.js";
import { say } from "../parts/messages.js";
import { clock, count, plural } from "../parts/numbers.js";
import { Publish } from "./kafka_publish.js";
import { pretty, shown } from "./kafka_topics.js";

const PAGE = 50;

export function DeadLetters({ about, query, api, address }) {
  const topic = query.get("topic");
  const { data, error } = useData(topic ? null : api("dlq"));
  if (topic) return html`<${Letters} key=${topic} about=${about} topic=${topic} api=${api} address=${address} />`;
  if (error) return html`<${Problem} error=${error} />`;
  if (!data) return html`<${Waiting} />`;
  if (!data.topics.length) return html`<p class="empty">There is no dead-letter topic.</p>`;
  return html`<div class="card scroll" tabindex="0" role="region" aria-label="Dead-letter topics"><table><thead><tr><th>topic</th><th class="number">letters</th></tr></thead>
    <tbody>${data.topics.map((each) => html`<tr><td><a href=${address({ tab: "dlq", topic: each.topic })}>${each.topic}</a></td><td class="number">${count(each.letters)}</td></tr>`)}</tbody></table></div>`;
}

function Letters({ about, topic, api, address }) {
  const path = `dlq/${encodeURIComponent(topic)}`;
  const [filter, setFilter] = useState({ error: "", key: "", from: "", newerThan: "" });
  const [wanted, setWanted] = useState(filter);
  const [pages, setPages] = useState([""]);
  const [place, setPlace] = useState(null);
  const [acting, setActing] = useState(null);
  const before = pages[pages.length - 1];
  const { data, error, again } = useData(api(path, { ...wanted, limit: PAGE, before }));
  const set = (key) => (event) => setFilter({ ...filter, [key]: event.target.value });
  const search = (event) => {
    event.preventDefault();
    setPages([""]);
    setWanted(filter);
  };
  const act = (kind, letter) => setActing({ kind, letter });
  return html`
    <p class="crumbs"><a href=${address({ tab: "dlq" })}>Dead letters</a> / <b>${topic}</b> <span class="quiet">${data ? plural(data.count, "letter") : ""}</span>
      ${!about.readOnly && html`<span class="tools"><button onClick=${() => act("redrive")}>Redrive …</button><button onClick=${() => act("purge")}>Purge …</button></span>`}</p>
    <form class="title filters" onSubmit=${search}>
      <label class="search"><span class="hidden">Error</span><input type="search" data-filter placeholder="Error or status" value=${filter.error} onInput=${set("error")} /></label>
      <label><span class="hidden">Key</span><input type="search" placeholder="Key" value=${filter.key} onInput=${set("key")} size="12" /></label>
      <label><span class="hidden">From topic</span><input type="search" placeholder="From topic" value=${filter.from} onInput=${set("from")} size="12" /></label>
      <label><span class="hidden">Newer than</span><input placeholder="Newer than 12h" value=${filter.newerThan} onInput=${set("newerThan")} size="13" /></label>
      <button class="primary">Find</button>
    </form>
    ${error && html`<${Problem} error=${error} />`}
    ${!data && !error && html`<${Waiting} />`}
    ${data && !data.letters.length && html`<p class="empty">No letter matches among the ${count(data.scanned)} that were looked at.</p>`}
    ${data && data.letters.length > 0 && html`<div class="card scroll" tabindex="0" role="region" aria-label="Letters"><table>
      <thead><tr><th>letter</th><th>since</th><th>from</th><th>key</th><th class="number">attempts</th><th>error</th><th>target</th></tr></thead>
      <tbody>${data.letters.map((letter) => {
        const at = `${letter.partition}@${letter.offset}`;
        return html`<tr key=${at}><td><button class="quiet link" onClick=${() => setPlace(at)}>${at}</button>${letter.redriven && html` <span class="badge">redriven</span>`}</td><td>${clock(Date.parse(letter.since), true)}</td><td>${letter.topic}</td><td><code>${letter.key === null ? "–" : shown(letter.key)}</code></td><td class="number">${letter.attempts}</td><td class="wide">${letter.error}</td><td class="wide">${letter.target || "–"}</td></tr>`;
      })}</tbody></table></div>`}
    ${data && html`<div class="buttons">
      <button disabled=${pages.length < 2} onClick=${() => setPages(pages.slice(0, -1))}>Newer</button>
      <button disabled=${!data.next} onClick=${() => setPages([...pages, data.next])}>Older</button></div>`}
    ${place && html`<${Letter} about=${about} path=${api(`${path}/${place}`)} place=${place} onClose=${() => setPlace(null)} act=${act} />`}
    ${acting && acting.kind === "redrive" && html`<${Redrive} topic=${topic} path=${api(`${path}/redrive`)} filter=${wanted} letter=${acting.letter} onClose=${() => (setActing(null), again())} />`}
    ${acting && acting.kind === "purge" && html`<${Purge} topic=${topic} path=${api(`${path}/purge`)} onClose=${() => (setActing(null), again())} />`}
    ${acting && acting.kind === "edit" && html`<${Publish} topic=${acting.letter.topic} title="Publish an edited copy" api=${api} onClose=${() => setActing(null)}
      record=${{ key: acting.letter.key, value: acting.letter.value, headers: headersOf(acting.letter) }} />`}
  `;
}

function headersOf(letter) {
  const found = {};
  for (const [name, value] of letter.headers) found[name] = name in found ? [].concat(found[name], value) : value;
  return found;
}

function Letter({ about, path, place, onClose, act }) {
  const { data, error } = useData(path);
  const leave = (kind) => {
    onClose();
    act(kind, data);
  };
  return html`<${Dialog} title="Letter ${place}" wide onClose=${onClose}>
    ${error && html`<${Problem} error=${error} />`}
    ${!data && !error && html`<${Waiting} />`}
    ${data && html`<div class="stack">
      <p class="failure">${data.error}</p>
      <dl class="facts">
        <div><dt>from</dt><dd>${data.topic} ${data.originPartition ?? ""}${data.originOffset === null ? "" : `@${data.originOffset}`}</dd></div>
        <div><dt>since</dt><dd>${data.since}</dd></div><div><dt>attempts</dt><dd>${data.attempts}</dd></div>
        <div><dt>target</dt><dd><code>${data.target || "–"}</code></dd></div><div><dt>key</dt><dd><code>${shown(data.key)}</code></dd></div>
        ${data.headers.map(([name, value]) => html`<div><dt>${name}</dt><dd><code>${shown(value)}</code></dd></div>`)}
      </dl>
      <pre class="value">${data.omitted ? "The record was too large for the letter; a redrive reads it from its topic." : pretty(data.value)}</pre>
      <div class="buttons"><button onClick=${onClose}>Close</button>
        ${!about.readOnly && html`<button disabled=${data.omitted} onClick=${() => leave("edit")}>Edit a copy …</button><button class="primary" onClick=${() => leave("redrive")}>Redrive …</button>`}</div>
    </div>`}
  </${Dialog}>`;
}

function Redrive({ topic, path, filter, letter, onClose }) {
  const [options, setOptions] = useState({ rate: "", again: Boolean(letter && letter.redriven), to: "" });
  const [trial, setTrial] = useState(null);
  const [failure, setFailure] = useState(null);
  const chosen = letter ? { place: `${letter.partition}@${letter.offset}` } : { filter };
  const body = { ...chosen, again: options.again, rate: Number(options.rate) || undefined, to: options.to || undefined };
  useEffect(() => {
    setTrial(null);
    setFailure(null);
    post(path, { ...body, dryRun: true }).then(setTrial, setFailure);
  }, [options.again]);
  const filtered = !letter && Object.values(filter).some(Boolean);
  const lines = trial
    ? [
        `${plural(trial.redriven, "record")} would be written to ${options.to || "the topics they come from"}, in the order of their origin${filtered ? ", by the filter of this page" : ""}.`,
        ...(trial.alreadyRedriven ? [`${count(trial.alreadyRedriven)} were redriven before and are left out.`] : []),
        "Only the target that refused a record delivers it again. The letters stay until they are purged.",
      ]
    : failure ? [] : ["Counting what would be sent (dry run) …"];
  const act = async () => {
    const done = await post(path, body);
    if (done.failed) throw new Error(`${plural(done.failed, "record")} could not be written; ${done.redriven} were.`);
    say(`Redriven: ${plural(done.redriven, "record")} of ${topic}.`);
  };
  return html`<${Confirm} title=${letter ? `Redrive letter ${chosen.place}` : filtered ? "Redrive the letters of this filter" : "Redrive all letters"} verb="Redrive" consequences=${lines} act=${act} onClose=${onClose}>
    ${failure && html`<${Problem} error=${failure} />`}
    <label class="field">Rate, in records per second<input type="number" min="0.1" step="any" placeholder="no limit" value=${options.rate} onInput=${(event) => setOptions({ ...options, rate: event.target.value })} /></label>
    <label class="field">Another topic<input placeholder="where they come from" value=${options.to} onInput=${(event) => setOptions({ ...options, to: event.target.value })} /></label>
    <label><input type="checkbox" checked=${options.again} onChange=${(event) => setOptions({ ...options, again: event.target.checked })} /> also those that were redriven before</label>
  </${Confirm}>`;
}

function Purge({ topic, path, onClose }) {
  const [which, setWhich] = useState("redriven");
  const [age, setAge] = useState("7d");
  const [trial, setTrial] = useState(null);
  const [failure, setFailure] = useState(null);
  const body = which === "age" ? { olderThan: age } : { [which]: true };
  useEffect(() => {
    setTrial(null);
    setFailure(null);
    const later = setTimeout(() => post(path, { ...body, dryRun: true }).then(setTrial, setFailure), 200);
    return () => clearTimeout(later);
  }, [which, age]);
  const lines = trial ? [`${plural(trial.purged, "letter")} of ${topic} would be deleted for good.`, "Kafka deletes from the oldest on: a letter that must stay keeps those behind it."] : failure ? [] : ["Counting …"];
  return html`<${Confirm} title="Purge ${topic}" verb="Delete for good" danger consequences=${lines} onClose=${onClose}
    act=${async () => say(`Deleted ${plural((await post(path, body)).purged, "letter")} of ${topic}.`)}>
    ${failure && html`<${Problem} error=${failure} />`}
    <label><input type="radio" name="which" checked=${which === "redriven"} onChange=${() => setWhich("redriven")} /> as far as all were redriven</label>
    <label><input type="radio" name="which" checked=${which === "age"} onChange=${() => setWhich("age")} /> older than <input aria-label="Age" size="5" value=${age} onInput=${(event) => (setAge(event.target.value), setWhich("age"))} /></label>
    <label><input type="radio" name="which" checked=${which === "all"} onChange=${() => setWhich("all")} /> all that are there now</label>
  </${Confirm}>`;
}
