// Webhooks of kafka-hooks services: rates, retries, breakers, and the record that holds each partition.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact-3.1.1.js";
import { get } from "../api.js";
import { Problem, Waiting } from "../parts/loading.js";
import { count, duration } from "../parts/numbers.js";
import { shown } from "./kafka_topics.js";

const SECONDS = 2;
const BREAKERS = ["closed", "half open", "open"];

export function Webhooks({ api, address }) {
  const [data, setData] = useState(null);
  const [error, setError] = useState(null);
  const before = useRef(null);
  useEffect(() => {
    const ending = new AbortController();
    const look = async () => {
      while (!ending.signal.aborted) {
        try {
          const found = await get(api("webhooks"), ending.signal);
          const now = performance.now() / 1000;
          setData((old) => {
            before.current = old;
            return { services: found.services, at: now };
          });
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
  if (error) return html`<${Problem} error=${error} />`;
  if (!data) return html`<${Waiting} />`;
  if (!data.services.length) return html`<p class="empty">The app has no service of the type kafka-hooks.</p>`;
  return html`<div class="stack">${data.services.map((service) => html`<${Service} key=${service.service} service=${service} data=${data} before=${before.current} address=${address} />`)}</div>`;
}

function total(metrics, name, labels) {
  return (metrics || []).filter((each) => each.name === name && Object.entries(labels).every(([key, value]) => each.labels[key] === value)).reduce((sum, each) => sum + each.value, 0);
}

function Service({ service, data, before, address }) {
  const old = before && before.services.find((each) => each.service === service.service);
  const topics = [...new Set((service.metrics || []).map((each) => each.labels.topic).filter(Boolean))].sort();
  const rate = (name, topic) => (old && old.metrics ? Math.max(0, total(service.metrics, name, { topic }) - total(old.metrics, name, { topic })) / (data.at - before.at) : null);
  const requests = "kafka_hooks_http_request_duration_seconds";
  const breakers = (service.metrics || []).filter((each) => each.name === "kafka_hooks_breaker_state");
  return html`<section class="card" aria-label=${service.service}>
    <h2>${service.service}</h2>
    ${service.problem && html`<p class="failure">${service.problem}</p>`}
    <div class="scroll" tabindex="0" role="region" aria-label="Topics of ${service.service}"><table>
      <thead><tr><th>topic</th><th class="number">requests/s</th><th class="number">mean time</th><th class="number">in flight</th><th class="number">retries</th><th class="number">dead letters</th><th class="number">lag</th></tr></thead>
      <tbody>${topics.map((topic) => {
        const number = total(service.metrics, `${requests}_count`, { topic });
        const perSecond = rate(`${requests}_count`, topic);
        return html`<tr><td><a href=${address({ tab: "topics", topic })}>${topic}</a></td><td class="number">${perSecond === null ? "–" : perSecond.toFixed(1)}</td>
          <td class="number">${number ? duration(total(service.metrics, `${requests}_sum`, { topic }) / number) : "–"}</td>
          <td class="number">${count(total(service.metrics, "kafka_hooks_messages_in_flight", { topic }))}</td><td class="number">${count(total(service.metrics, "kafka_hooks_retries_total", { topic }))}</td>
          <td class="number">${count(total(service.metrics, "kafka_hooks_dlq_messages_total", { topic }))}</td><td class="number">${count(total(service.metrics, "kafka_hooks_consumer_lag", { topic }))}</td></tr>`;
      })}</tbody>
    </table></div>
    ${breakers.length > 0 && html`<h3>Targets</h3><ul>${breakers.map((each) => html`<li class="target"><span class="state ${["good", "warn", "bad"][each.value]}">breaker ${BREAKERS[each.value]}</span> <code>${each.labels.url}</code> <span class="quiet">${each.labels.topic}</span></li>`)}</ul>`}
    ${service.partitions && html`<h3>Held partitions</h3><${Held} partitions=${service.partitions} />`}
  </section>`;
}

function Held({ partitions }) {
  const rows = partitions.flatMap((part) => part.heldBy.map((holder) => ({ ...holder, place: `${part.topic}[${part.partition}]` })));
  const open = partitions.filter((part) => part.openTransaction);
  if (!rows.length && !open.length) return html`<p class="quiet">None of ${count(partitions.length)} partitions is held by a record.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Held partitions"><table>
    <thead><tr><th>partition</th><th class="number">offset</th><th>key</th><th>age</th><th class="number">attempts</th><th class="number">behind</th><th>why</th><th>target</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr><td>${row.place}</td><td class="number">${count(row.offset)}</td><td><code>${row.key === null ? "–" : shown(row.key)}</code></td><td>${duration(row.age)}</td><td class="number">${row.attempts}</td><td class="number">${count(row.behind)}</td><td>${row.state}${row.error && `: ${row.error}`}</td><td><code>${row.target}</code></td></tr>`)}
    ${open.map((part) => html`<tr><td>${part.topic}[${part.partition}]</td><td class="number">${count(part.openTransaction.begin)}</td><td colspan="6">an open transaction of its producer: nothing behind is read until it ends</td></tr>`)}</tbody>
  </table></div>`;
}
