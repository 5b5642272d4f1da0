// The frame of the page: sign-in, navigation, keys, and the view that the address names.

import { h, html, render, useEffect, useState } from "./vendor/htm-preact-3.1.1.js";
import { follow, get, hasToken, useToken, whenRefused } from "./api.js";
import { Messages } from "./parts/messages.js";
import { ExportButton } from "./parts/export_button.js";
import { FailureGuard } from "./parts/failure_guard.js";
import { clock } from "./parts/numbers.js";
import { KeyHelp } from "./parts/key_help.js";
import { ConfigView } from "./views/config.js";
import { KafkaView } from "./views/kafka.js";
import { LogsView } from "./views/logs.js";
import { MetricsView } from "./views/metrics.js";
import { ProfilesView } from "./views/profiles.js";
import { ServicesView } from "./views/services.js";
import { TracesView } from "./views/traces.js";

const VIEWS = [
  { path: "services", name: "Services", View: ServicesView, icon: "M3 4h14v5H3zM3 11h14v5H3zM6 6.5h.01M6 13.5h.01" },
  { path: "logs", name: "Logs", View: LogsView, icon: "M3 5h14M3 10h14M3 15h9" },
  { path: "traces", name: "Traces", View: TracesView, icon: "M3 5h8M7 10h9M11 15h6" },
  { path: "kafka", name: "Kafka", View: KafkaView, icon: "M8 10a2 2 0 1 1-4 0 2 2 0 0 1 4 0M16 5a2 2 0 1 1-4 0 2 2 0 0 1 4 0M16 15a2 2 0 1 1-4 0 2 2 0 0 1 4 0M7.8 9 12.2 6M7.8 11l4.4 3" },
  { path: "metrics", name: "Metrics", View: MetricsView, icon: "M3 16h14M5 13V9M9 13V4M13 13V7M17 13v-3" },
  { path: "profiles", name: "Profiles", View: ProfilesView, icon: "M3 16h14M4 12h12M6 8h7M8 4h3" },
  { path: "config", name: "Config", View: ConfigView, icon: "M3 6h8M15 6h2M13 4v4M3 14h2M9 14h8M7 12v4" },
];

const LIVE_ONLY = new Set(["kafka", "profiles"]);

// The views of an app, or of a recording, which holds less.
function viewsOf(about) {
  return about.recording ? VIEWS.filter((each) => !LIVE_ONLY.has(each.path)) : VIEWS;
}

function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { view: VIEWS.find((each) => each.path === path) || VIEWS[0], query: new URLSearchParams(query) };
}

function Page() {
  const [signedIn, setSignedIn] = useState(hasToken());
  const [about, setAbout] = useState(null);
  const [failure, setFailure] = useState("");
  whenRefused(() => setSignedIn(false));
  useEffect(() => {
    if (!signedIn) return;
    get("dashboard").then(
      (found) => {
        document.title = found.recording ? `Recording of ${found.app} · pywatt` : `${found.app} · pywatt`;
        setAbout(found);
      },
      (error) => setFailure(error.message),
    );
  }, [signedIn]);
  if (!signedIn) return html`<${SignIn} onToken=${() => setSignedIn(true)} />`;
  if (!about) return html`<p class="loading" role="status">${failure || ""}</p>`;
  return html`<${Frame} about=${about} />`;
}

function Frame({ about }) {
  const [where, setWhere] = useState(place());
  const [app, setApp] = useState(null);
  const [state, setState] = useState("away");
  const [help, setHelp] = useState(false);
  const views = viewsOf(about);
  useEffect(() => {
    const move = () => setWhere(place());
    addEventListener("hashchange", move);
    return () => removeEventListener("hashchange", move);
  }, []);
  useEffect(() => follow("services/events", (_name, data) => setApp(data), setState), []);
  useEffect(() => {
    const press = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (event.target.matches("input, select, textarea")) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      const view = views[Number(event.key) - 1];
      if (view) location.hash = `#/${view.path}`;
      else if (event.key === "/") document.querySelector("[data-filter]")?.focus();
      else if (event.key === "?") setHelp(true);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  const { View } = where.view;
  return html`
    <a class="skip" href="#content" onClick=${skip}>Skip to the content</a>
    <header class="bar">
      <span class="brand"><img src="/web/icon.svg" alt="" width="22" height="22" />${about.app}</span>
      ${about.recording && html`<span class="badge" role="note">recording of ${clock(about.recording.at * 1000, true).slice(0, 19)}</span>`}
      ${about.readOnly && !about.recording && html`<span class="badge">read only</span>`}
      ${about.recording ? "" : about.production ? html`<span class="badge quiet">production</span>` : html`<span class="badge quiet">development</span>`}
      ${about.recording
        ? html`<span class="quiet file">${about.recording.file}</span>`
        : html`<span class="live ${state}" role="status">${state === "live" ? "live" : "not connected"}</span>`}
      ${!about.recording && html`<${ExportButton} app=${about.app} />`}
      <button class="quiet" onClick=${() => setHelp(true)} aria-label="Keys">?</button>
    </header>
    <nav aria-label="Views">
      ${views.map(
        (view, position) => html`<a
          href=${`#/${view.path}`}
          aria-current=${view === where.view ? "page" : undefined}
          title=${`${view.name} (key ${position + 1})`}
          ><svg viewBox="0 0 20 20" aria-hidden="true"><path d=${view.icon} /></svg>${view.name}</a
        >`,
      )}
    </nav>
    <main id="content" tabindex="-1" key=${where.view.path}>
      <${FailureGuard} key=${where.view.path}><${View} about=${about} app=${app} query=${where.query} connected=${state === "live"} /></${FailureGuard}>
    </main>
    <${Messages} />
    ${help && html`<${KeyHelp} views=${views} onClose=${() => setHelp(false)} />`}
  `;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("content").focus();
}

function SignIn({ onToken }) {
  const submit = (event) => {
    event.preventDefault();
    useToken(event.target.elements.token.value.trim());
    onToken();
  };
  return html`
    <main class="sign-in">
      <img src="/web/icon.svg" alt="" width="48" height="48" />
      <h1>pywatt</h1>
      <p>This page needs the token of the app. Run <code>pywatt dashboard</code>, which opens it with the token.</p>
      <form onSubmit=${submit}>
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="off" required />
        <button class="primary">Open</button>
      </form>
    </main>
  `;
}

render(h(Page), document.getElementById("page"));
