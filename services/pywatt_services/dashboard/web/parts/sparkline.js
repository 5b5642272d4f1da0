// A small curve without axes, beside its number.

import { html } from "../vendor/htm-preact-3.1.1.js";

const WIDTH = 72;
const HEIGHT = 20;

export function Sparkline({ values, ceiling = 0 }) {
  if (values.length < 2) return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-hidden="true"></svg>`;
  const top = Math.max(ceiling, ...values) || 1;
  const step = WIDTH / (values.length - 1);
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${(HEIGHT - 1 - (value / top) * (HEIGHT - 3)).toFixed(1)}`);
  return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-hidden="true" preserveAspectRatio="none">
    <polygon points="0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}" /><polyline points=${points.join(" ")} />
  </svg>`;
}
