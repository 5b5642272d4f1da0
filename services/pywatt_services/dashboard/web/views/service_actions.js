// The dialogs of the actions on services: each says what is going to happen before it does it.

import { html, useEffect, useState } from "../vendor/htm-preact-3.1.1.js";
import { get, post } from "../api.js";
import { Confirm } from "../parts/dialog.js";
import { say } from "../parts/messages.js";
import { plural } from "../parts/numbers.js";

export function ServiceAction({ kind, service, services, onClose }) {
  const callers = useCallers(service);
  const [workers, setWorkers] = useState(service ? service.workers.length || 1 : 1);
  const props = { onClose };
  if (kind === "start") {
    props.title = `Start ${service.id}`;
    props.verb = "Start";
    props.consequences = ["It starts, and before it the stopped services that it depends on.", "Calls to it are answered again once it is ready."];
    props.act = async () => say(`Started ${(await post("start", { services: [service.id] })).started.join(", ")}.`);
  } else if (kind === "stop") {
    props.title = `Stop ${service.id}`;
    props.verb = "Stop";
    props.danger = true;
    props.consequences = [
      `${plural(service.workers.length, "worker")} ${service.workers.length === 1 ? "finishes its" : "finish their"} requests and end.`,
      "Then calls to it are refused until it is started again.",
      ...(callers.length ? [`These call or need it: ${callers.join(", ")}.`] : []),
      ...(service.entrypoint ? ["It is the entrypoint: the app cannot be reached from outside then."] : []),
    ];
    props.act = async () => say(`Stopped ${(await post("stop", { services: [service.id] })).stopped.join(", ")}.`);
  } else if (kind === "restart") {
    props.title = `Restart ${service.id}`;
    props.verb = "Restart";
    props.consequences = [
      `${plural(service.workers.length, "worker")} ${service.workers.length === 1 ? "is" : "are"} replaced; the old ones serve until the new ones are ready.`,
      "No request is lost. Memory of both is in use meanwhile.",
    ];
    props.act = async () => report(await post("restart", { services: [service.id] }), "restarted", "Restarted");
  } else if (kind === "restart-all") {
    const running = services.filter((each) => !each.internal && each.state !== "stopped");
    props.title = "Restart all services";
    props.verb = "Restart all";
    props.consequences = [
      `All workers of ${plural(running.length, "service")} are replaced at once; the old ones serve until the new ones are ready.`,
      "The app may need twice its memory meanwhile.",
    ];
    props.act = async () => report(await post("restart", {}), "restarted", "Restarted");
  } else if (kind === "stop-app") {
    props.title = "Stop the app";
    props.verb = "Stop the app";
    props.danger = true;
    props.consequences = ["All services finish their requests and end, and so does this page.", "Only a terminal or its service manager can start it again."];
    props.act = async () => {
      await post("stop", {});
      say("The app stops.");
    };
  } else if (kind === "scale") {
    props.title = `Scale ${service.id}`;
    props.verb = "Scale";
    const now = service.workers.length;
    props.consequences = [
      workers === now
        ? "Nothing changes."
        : workers > now
          ? `${plural(workers - now, "worker")} more ${workers - now === 1 ? "starts" : "start"}, and ${workers - now === 1 ? "gets" : "get"} requests once ready.`
          : `${plural(now - workers, "worker")} ${now - workers === 1 ? "finishes its" : "finish their"} requests and ${now - workers === 1 ? "ends" : "end"}.`,
      "It stays so until the service's entry in the config files changes.",
    ];
    props.act = async () => report(await post("scale", { services: { [service.id]: workers } }), "scaled", "Scaled");
    return html`<${Confirm} ...${props}>
      <label class="field">Workers<input type="number" min="1" max="512" value=${workers} onInput=${(event) => setWorkers(Number(event.target.value))} required /></label>
    </${Confirm}>`;
  } else {
    return html`<${Reload} onClose=${onClose} />`;
  }
  return html`<${Confirm} ...${props} />`;
}

function Reload({ onClose }) {
  const [change, setChange] = useState(null);
  const [failure, setFailure] = useState(null);
  useEffect(() => {
    post("reload", { dryRun: true }).then(setChange, setFailure);
  }, []);
  const act = async () => {
    const done = await post("reload", {});
    const parts = ["added", "changed", "removed"].filter((each) => done[each].length).map((each) => `${each} ${done[each].join(", ")}`);
    say(parts.length ? `Reloaded: ${parts.join("; ")}.` : "Reloaded: nothing had changed.");
  };
  if (failure) {
    return html`<${Confirm} title="Reload" verb="Try all the same" consequences=${["The config files have an error. A reload would change nothing."]} act=${act} onClose=${onClose}>
      <p class="failure" role="alert">${failure.message}</p>
      <ul class="consequences">${failure.problems.map((each) => html`<li>${[each.file, each.key].filter(Boolean).join(": ")} ${each.message}</li>`)}</ul>
    </${Confirm}>`;
  }
  const lines = change
    ? [
        ...change.added.map((id) => `${id} starts.`),
        ...change.changed.map((id) => `${id} gets new workers with its new configuration; the old ones serve until those are ready.`),
        ...change.removed.map((id) => `${id} is stopped and removed.`),
      ]
    : ["Reading the config files …"];
  return html`<${Confirm} title="Reload the configuration" verb="Reload" consequences=${lines.length ? lines : ["The config files have not changed: nothing happens."]} act=${act} onClose=${onClose} />`;
}

// Returns the ids of the services that call or need one, by the app's configuration.
function useCallers(service) {
  const [callers, setCallers] = useState([]);
  useEffect(() => {
    if (!service) return;
    get("config").then(
      (config) => setCallers(config.services.filter((each) => [...each.dependencies, ...each.calls].includes(service.id)).map((each) => each.id)),
      () => {},
    );
  }, []);
  return callers;
}

function report(result, key, verb) {
  const failed = Object.values(result.failed || {});
  if (failed.length) throw Object.assign(new Error(failed.map((each) => each.message).join("; ")), { hint: failed[0].hint });
  const done = Array.isArray(result[key]) ? result[key] : Object.entries(result[key]).map(([id, workers]) => `${id} to ${workers}`);
  say(`${verb} ${done.join(", ")}.`);
}
