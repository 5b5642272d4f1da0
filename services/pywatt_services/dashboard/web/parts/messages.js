// Short messages about what was done, read out by screen readers.

import { html, useEffect, useState } from "../vendor/htm-preact-3.1.1.js";

const SECONDS = 6;
let show = () => {};
let count = 0;

export function say(text, kind = "done") {
  show({ text, kind, id: ++count });
}

export function sayError(error) {
  say(error.hint ? `${error.message} (${error.hint})` : error.message, "failed");
}

export function Messages() {
  const [messages, setMessages] = useState([]);
  useEffect(() => {
    show = (message) => {
      setMessages((before) => [...before.slice(-3), message]);
      if (message.kind === "done") {
        setTimeout(() => setMessages((before) => before.filter((each) => each.id !== message.id)), SECONDS * 1000);
      }
    };
    return () => (show = () => {});
  }, []);
  const close = (id) => setMessages((before) => before.filter((each) => each.id !== id));
  return html`<div class="messages" role="status">
    ${messages.map(
      (each) => html`<p key=${each.id} class=${each.kind}>
        ${each.text}<button class="quiet" aria-label="Close" onClick=${() => close(each.id)}>×</button>
      </p>`,
    )}
  </div>`;
}
