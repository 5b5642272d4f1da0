// The dashboard's HTTP API: one token, calls, and streams of server-sent events.
// The token comes in the URL's fragment, is taken out of the address bar, and is kept for this tab alone.

const KEY = "pywatt-token";
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;
const TURN_MS = 8;

let token = takeToken();
let onRefused = () => {};

function takeToken() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (found) {
    sessionStorage.setItem(KEY, decodeURIComponent(found[1]));
    history.replaceState(null, "", location.pathname + "#/services");
  }
  return sessionStorage.getItem(KEY) || "";
}

export function hasToken() {
  return token !== "";
}

export function useToken(text) {
  token = text;
  sessionStorage.setItem(KEY, text);
}

// Has a function called when the token is refused.
export function whenRefused(listener) {
  onRefused = listener;
}

export class ApiError extends Error {
  constructor(status, document) {
    const error = document && document.error ? document.error : {};
    super(error.message || `the app answered with status ${status}`);
    this.status = status;
    this.hint = error.hint || "";
    this.problems = error.problems || [];
  }
}

async function request(method, path, body, signal, more = {}) {
  const headers = { Authorization: `Bearer ${token}`, ...more };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { error: { message: "the app does not answer", hint: "it may have been stopped" } });
  }
  if (response.status === 401) onRefused();
  if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => null));
  return response;
}

export async function get(path, signal) {
  return (await request("GET", path, undefined, signal)).json();
}

export async function send(method, path, body = {}) {
  return (await request(method, path, body)).json();
}

export async function post(path, body = {}) {
  return send("POST", path, body);
}

export async function download(path) {
  return (await request("GET", path)).blob();
}

// Follows a stream until the returned function is called; `onState` gets "live", "away", or "refused" and an error.
// `onEvent` gets the name of an event and its data, or with `parse` null, the text of these.
export function follow(path, onEvent, onState = () => {}, parse = JSON.parse) {
  const ending = new AbortController();
  const place = { id: "" };
  let pause = FIRST_PAUSE;
  (async () => {
    while (!ending.signal.aborted) {
      try {
        const known = place.id ? { "Last-Event-ID": place.id } : {};
        const response = await request("GET", path, undefined, ending.signal, known);
        onState("live");
        pause = FIRST_PAUSE;
        await readEvents(response.body.getReader(), (name, data) => onEvent(name, parse ? parse(data) : data), place);
      } catch (error) {
        if (ending.signal.aborted) return;
        if (error.status >= 400 && error.status < 500) return onState("refused", error);
      }
      onState("away");
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  })();
  return () => ending.abort();
}

// Lets input and frames have their turn: what has arrived already is read without one.
function nextTurn() {
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      resolve();
    };
    channel.port2.postMessage(null);
  });
}

async function readEvents(reader, onEvent, place) {
  const decoder = new TextDecoder();
  let rest = "";
  let begun = performance.now();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const text = decoder.decode(value, { stream: true });
    let from = Math.max(0, rest.length - 1);
    rest += text;
    let begin = 0;
    for (let end; (end = rest.indexOf("\n\n", Math.max(begin, from))) >= 0; begin = end + 2) {
      takeBlock(rest.slice(begin, end), onEvent, place);
      from = 0;
      if (performance.now() - begun > TURN_MS) {
        await nextTurn();
        begun = performance.now();
      }
    }
    rest = rest.slice(begin);
  }
}

function takeBlock(block, onEvent, place) {
  let name = "message";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
    else if (line.startsWith("id: ")) place.id = line.slice(4);
  }
  if (data) onEvent(name, data);
}
