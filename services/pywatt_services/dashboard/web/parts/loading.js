// Data that are fetched: with a state for "on the way" and for errors, and a way to fetch them again.

import { html, useEffect, useState } from "../vendor/htm-preact-3.1.1.js";
import { get } from "../api.js";

export function useData(path) {
  const [state, setState] = useState({ path: null, data: null, error: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!path) return;
    const ending = new AbortController();
    get(path, ending.signal).then(
      (data) => setState({ path, data, error: null }),
      (error) => error.name !== "AbortError" && setState({ path, data: null, error }),
    );
    return () => ending.abort();
  }, [path, turn]);
  const current = state.path === path ? state : { data: null, error: null };
  return { ...current, again: () => setTurn(turn + 1) };
}

export function Problem({ error }) {
  return html`<p class="failure" role="alert">${error.message}${error.hint && html`<br /><small>${error.hint}</small>`}</p>`;
}

export function Waiting() {
  return html`<p class="empty" role="status">Loading …</p>`;
}
