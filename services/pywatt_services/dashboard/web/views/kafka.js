// Kafka: topics and records, groups and lag, webhooks, dead letters.

import { html } from "../vendor/htm-preact-3.1.1.js";
import { Problem, useData, Waiting } from "../parts/loading.js";
import { DeadLetters } from "./kafka_dead_letters.js";
import { Groups } from "./kafka_groups.js";
import { Topics } from "./kafka_topics.js";
import { Webhooks } from "./kafka_webhooks.js";

const TABS = [
  ["topics", "Topics", Topics],
  ["groups", "Groups", Groups],
  ["webhooks", "Webhooks", Webhooks],
  ["dlq", "Dead letters", DeadLetters],
];

export function KafkaView({ about, query }) {
  const found = useData("kafka/clusters");
  const tab = TABS.find(([name]) => name === query.get("tab")) || TABS[0];
  const Tab = tab[2];
  const cluster = query.get("cluster") || "";
  const address = (changes) => {
    const next = new URLSearchParams(cluster ? { cluster } : {});
    for (const [key, value] of Object.entries(changes)) if (value) next.set(key, value);
    return `#/kafka?${next}`;
  };
  const api = (path, parameters = {}) => {
    const all = new URLSearchParams(cluster ? { cluster } : {});
    for (const [key, value] of Object.entries(parameters)) if (value !== "" && value !== null && value !== undefined) all.set(key, value);
    const text = all.toString();
    return `kafka/${path}${text ? `?${text}` : ""}`;
  };
  if (found.error) {
    if (found.error.status === 404) return html`<h1>Kafka</h1><p class="empty">The Kafka client is not installed here: pip install 'pywatt[kafka]'</p>`;
    return html`<h1>Kafka</h1><${Problem} error=${found.error} />`;
  }
  if (!found.data) return html`<h1>Kafka</h1><${Waiting} />`;
  const { clusters } = found.data;
  if (!clusters.length) {
    return html`<h1>Kafka</h1><p class="empty">No service of this app names a Kafka cluster: it would have the variable KAFKA_BROKERS, or the type kafka-hooks.</p>`;
  }
  return html`
    <div class="title">
      <h1>Kafka</h1>
      <div class="tabs" role="navigation" aria-label="Kafka">
        ${TABS.map(([name, title]) => html`<a href=${address({ tab: name })} aria-current=${name === tab[0] ? "page" : undefined}>${title}</a>`)}
      </div>
      ${new Set(clusters.map((each) => each.brokers.join())).size > 1 && html`<label class="tools"><span class="quiet">cluster of</span>
        <select value=${cluster} onChange=${(event) => (location.hash = `#/kafka?${new URLSearchParams({ tab: tab[0], cluster: event.target.value })}`)}>
          <option value="">the app</option>
          ${clusters.map((each) => html`<option value=${each.service}>${each.service}</option>`)}
        </select></label>`}
    </div>
    <${Tab} about=${about} query=${query} api=${api} address=${address} key=${`${tab[0]} ${cluster}`} />
  `;
}
