// The log of all services: live, filtered, with a record's fields and traceback on demand.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact-3.1.1.js";
import { follow as followStream } from "../api.js";
import { clock, count, plural } from "../parts/numbers.js";
import { VirtualList } from "../parts/virtual_list.js";
import { BatchQueue, extras, LEVELS, LogBuffer } from "./log_buffer.js";

const FIRST_LINES = 2000;
const TYPING_MS = 300;
const FRAME_MS = 8; // of a frame, for records that have arrived

function useRowHeight() {
  return Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * 1.65);
}

export function LogsView({ app, query }) {
  const [filter, setFilter] = useState({
    service: query.get("service") || "",
    level: query.get("level") || "",
    grep: query.get("grep") || "",
    where: query.get("where") || "",
    trace: query.get("trace") || "",
  });
  const [version, setVersion] = useState(0);
  const [problem, setProblem] = useState(null);
  const [following, setFollowing] = useState(true);
  const [paused, setPaused] = useState(false);
  const [selected, setSelected] = useState(null);
  const buffer = useRef(new LogBuffer());
  const frame = useRef(0);
  const waiting = useRef(new BatchQueue());
  const rowHeight = useRowHeight();

  useEffect(() => {
    buffer.current = new LogBuffer();
    waiting.current = new BatchQueue();
    setSelected(null);
    setProblem(null);
    setVersion((number) => number + 1);
    let end = () => {};
    const begin = setTimeout(() => {
      const parameters = new URLSearchParams({ follow: "true", lines: String(FIRST_LINES) });
      for (const [key, value] of Object.entries(filter)) if (value.trim()) parameters.set(key, value.trim());
      const take = (_name, batch) => {
        waiting.current.push(batch);
        frame.current ||= requestAnimationFrame(show);
      };
      end = followStream(`logs/batches?${parameters}`, take, (state, error) => setProblem(state === "refused" ? error : null), null);
    }, version ? TYPING_MS : 0);
    return () => {
      clearTimeout(begin);
      end();
    };
  }, [JSON.stringify(filter)]);

  const show = () => {
    frame.current = 0;
    if (waiting.current.drain(buffer.current, FRAME_MS)) frame.current = requestAnimationFrame(show);
    setVersion((number) => number + 1);
  };
  const frozen = useRef(null);
  frozen.current = paused ? frozen.current || buffer.current.rows : null;
  const rows = frozen.current || buffer.current.rows;
  const set = (key) => (event) => setFilter({ ...filter, [key]: event.target.value });
  const at = selected === null ? -1 : rows.findIndex((row) => row.key === selected);
  const row = rows[at];
  const ids = app && app.services ? app.services.map((each) => each.id) : [];
  if (filter.service && !ids.includes(filter.service)) ids.push(filter.service);
  return html`<div class="logs ${row ? "split" : ""}">
    <div class="title">
      <h1>Logs</h1>
      <label><span class="hidden">Service</span><select value=${filter.service} onChange=${set("service")}>
        <option value="">all services</option>
        ${[...ids, "pywatt"].map((id) => html`<option value=${id}>${id}</option>`)}
      </select></label>
      <label><span class="hidden">Level</span><select value=${filter.level} onChange=${set("level")}>
        <option value="">all levels</option>
        ${Object.values(LEVELS).map((level) => html`<option value=${level}>${level} and above</option>`)}
      </select></label>
      <label class="search"><span class="hidden">Text</span><input type="search" data-filter placeholder="Text or regex" value=${filter.grep} onInput=${set("grep")} /></label>
      <label class="search"><span class="hidden">Key and value</span><input type="search" placeholder="key=value" value=${filter.where} onInput=${set("where")} /></label>
      ${filter.trace && html`<button onClick=${() => setFilter({ ...filter, trace: "" })} aria-label="Show all traces">trace ${filter.trace.slice(0, 8)}… ×</button>`}
      <span class="tools">
        <span class="quiet" role="status">${plural(rows.length, "record")}${buffer.current.dropped ? ` (${count(buffer.current.dropped)} older gone)` : ""}${buffer.current.skipped ? `, ${count(buffer.current.skipped)} not shown` : ""}</span>
        <button aria-pressed=${paused ? "true" : "false"} onClick=${() => setPaused(!paused)}>${paused ? "Paused" : "Pause"}</button>
        ${!following && html`<button class="primary" onClick=${() => setFollowing(true)}>To the end</button>`}
      </span>
    </div>
    ${problem && html`<p class="failure" role="alert">${problem.message}${problem.hint && html`<br /><small>${problem.hint}</small>`}</p>`}
    <${VirtualList} rows=${rows} version=${version} rowHeight=${rowHeight} label="Log records" row=${Line} selected=${at}
      onSelect=${(position) => setSelected(rows[position].record ? rows[position].key : null)} follow=${following && !paused} onFollow=${setFollowing}
      empty="No record matches. New ones appear here." />
    ${row && html`<${Details} row=${row} onClose=${() => setSelected(null)} onFilter=${(change) => setFilter({ ...filter, ...change })} />`}
  </div>`;
}

function Line(row) {
  if (row.skipped) return html`<span class="log-skipped">… ${plural(row.skipped, "record")} not shown: the app logs faster than this page follows. All are in the log.</span>`;
  const { record } = row;
  return html`<span class="log-time">${clock(record.time)}</span><span class="log-level">${row.level}</span><span class="log-name">${record.name}</span
    ><span class="log-text">${row.line}${row.folded > 0 && html` <span class="folded">+${row.folded} lines</span>`}</span>`;
}

function Details({ row, onClose, onFilter }) {
  const { record } = row;
  const trace = record.trace_id;
  const error = record.err;
  return html`<section class="details card" aria-label="Record">
    <div class="title"><h2>${row.level} of ${record.name}</h2><span class="tools"><button class="quiet" onClick=${onClose} aria-label="Close the record">×</button></span></div>
    <pre>${String(record.msg ?? "")}</pre>
    ${error && html`<h3>${error.type || "error"}</h3><pre class="stack">${String(error.stack || error.message || JSON.stringify(error))}</pre>`}
    <dl class="facts">
      <div><dt>time</dt><dd>${clock(record.time, true)}</dd></div>
      ${record.worker !== undefined && html`<div><dt>worker</dt><dd>${record.worker}</dd></div>`}
      ${record.pid !== undefined && html`<div><dt>pid</dt><dd>${record.pid}</dd></div>`}
      ${record.logger && html`<div><dt>logger</dt><dd>${record.logger}</dd></div>`}
      ${trace && html`<div><dt>trace</dt><dd><a href=${`#/traces?trace=${trace}`}>${trace}</a> <button class="quiet" onClick=${() => onFilter({ trace })}>only its records</button></dd></div>`}
      ${extras(record).map(([key, text]) => html`<div><dt>${key}</dt><dd><code>${text}</code></dd></div>`)}
    </dl>
    <button class="quiet" onClick=${() => onFilter({ service: record.name })}>only ${record.name}</button>
  </section>`;
}
