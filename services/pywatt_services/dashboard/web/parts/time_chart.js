// A chart of values over time, with its newest value and its largest one. Series keep a bounded number of points.

import { html } from "../vendor/htm-preact-3.1.1.js";

const WIDTH = 320;
const HEIGHT = 64;
export const MOST_POINTS = 300;

export function addPoint(points, at, value) {
  const kept = points.length >= MOST_POINTS ? points.slice(points.length - MOST_POINTS + 1) : points.slice();
  kept.push([at, value]);
  return kept;
}

// Returns at most about two points for each pixel: of a stretch, the lowest and the highest.
function thinned(points) {
  const size = Math.ceil(points.length / WIDTH);
  if (size < 2) return points;
  const found = [];
  for (let begin = 0; begin < points.length; begin += size) {
    const stretch = points.slice(begin, begin + size);
    const low = stretch.reduce((one, other) => (other[1] < one[1] ? other : one));
    const high = stretch.reduce((one, other) => (other[1] > one[1] ? other : one));
    found.push(...(low === high ? [low] : low[0] < high[0] ? [low, high] : [high, low]));
  }
  return found;
}

export function TimeChart({ title, points, format }) {
  const known = points.filter(([, value]) => value !== null && value !== undefined && Number.isFinite(value));
  const newest = known.length ? known[known.length - 1][1] : null;
  const top = known.reduce((most, [, value]) => Math.max(most, value), 0) || 1;
  const begin = known.length ? known[0][0] : 0;
  const span = known.length > 1 ? known[known.length - 1][0] - begin : 1;
  const line = thinned(known).map(([at, value]) => `${(((at - begin) / span) * WIDTH).toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 8)).toFixed(1)}`);
  return html`<figure class="chart">
    <figcaption><span>${title}</span><b>${format(newest)}</b></figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${title}: now ${format(newest)}, at most ${format(known.length ? top : null)}">
      <line x1="0" y1=${HEIGHT - 1} x2=${WIDTH} y2=${HEIGHT - 1} />
      ${line.length > 1 && html`<polygon points="0,${HEIGHT} ${line.join(" ")} ${WIDTH},${HEIGHT}" /><polyline points=${line.join(" ")} />`}
    </svg>
    <small>${known.length > 1 ? `at most ${format(top)} in ${Math.round(span)} s` : "collecting …"}</small>
  </figure>`;
}
