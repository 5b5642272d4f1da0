// A flame graph: callers above callees, the width of each its share. A click, or Enter, makes one as wide as the graph.

import { html, useMemo, useState } from "../vendor/htm-preact-3.1.1.js";

const WIDTH = 1200;
const ROW = 20;
const LETTER = 6.7;
const NARROWEST = 2;
const REACHED = 24; // pixels from which on the keyboard reaches a box
const MOST = 2000;

function hue(name) {
  let sum = 0;
  for (let at = 0; at < Math.min(name.length, 60); at++) sum = (sum * 31 + name.charCodeAt(at)) % 997;
  return 18 + (sum % 40);
}

// Returns the boxes for the nodes below a path of chosen ones: these are as wide as the graph.
export function boxesOf(tree, path) {
  const boxes = [];
  let node = tree;
  let row = 0;
  boxes.push({ node, row, left: 0, width: WIDTH, path: [] });
  for (let depth = 0; depth < path.length; depth++) {
    const next = node.callees[path[depth]];
    if (!next) break;
    node = next;
    boxes.push({ node, row: ++row, left: 0, width: WIDTH, path: path.slice(0, depth + 1) });
  }
  const scale = WIDTH / Math.max(1, node.weight);
  const pending = [{ node, row, left: 0, path }];
  while (pending.length && boxes.length < MOST) {
    const from = pending.shift();
    let left = from.left;
    from.node.callees.forEach((each, at) => {
      const width = each.weight * scale;
      if (width >= NARROWEST && boxes.length < MOST) {
        const box = { node: each, row: from.row + 1, left, width, path: [...from.path, at] };
        boxes.push(box);
        pending.push(box);
      }
      left += width;
    });
  }
  return boxes;
}

export function FlameGraph({ tree, format }) {
  const [path, setPath] = useState([]);
  const [words, setWords] = useState("");
  const boxes = useMemo(() => boxesOf(tree, path), [tree, path]);
  const height = (Math.max(...boxes.map((box) => box.row)) + 1) * ROW;
  const whole = Math.max(1, tree.weight);
  const wanted = words.trim().toLowerCase();
  const open = (box) => (event) => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    setPath(box.path);
  };
  return html`<section class="card flames" aria-label="Flame graph">
    <div class="title"><h2>Flame graph</h2>
      <label class="search"><span class="hidden">Mark functions</span><input type="search" data-filter placeholder="Mark functions" value=${words} onInput=${(event) => setWords(event.target.value)} /></label>
      <span class="tools">${path.length > 0 && html`<button onClick=${() => setPath([])}>Show all</button>`}</span></div>
    <div class="scroll" tabindex="0" role="region" aria-label="Frames"><svg viewBox="0 0 ${WIDTH} ${height}" role="group" aria-label="Frames, callers above callees">
      ${boxes.map((box) => {
        const told = `${box.node.name}: ${format(box.node.weight)}, ${((box.node.weight / whole) * 100).toFixed(1)} %`;
        const letters = Math.floor((box.width - 6) / LETTER);
        const marked = wanted && box.node.name.toLowerCase().includes(wanted);
        return html`<g key=${box.path.join(" ")} role="button" tabindex=${box.width >= REACHED ? 0 : -1} aria-label=${told} class=${marked ? "marked" : ""} onClick=${open(box)} onKeyDown=${open(box)}>
          <title>${told}</title><rect x=${box.left.toFixed(2)} y=${box.row * ROW} width=${Math.max(0.5, box.width - 0.6).toFixed(2)} height=${ROW - 1} rx="2" fill=${`hsl(${hue(box.node.name)} 75% 68%)`} />
          ${letters > 2 && html`<text x=${(box.left + 3).toFixed(2)} y=${box.row * ROW + 14} aria-hidden="true">${box.node.name.length > letters ? `${box.node.name.slice(0, letters - 1)}…` : box.node.name}</text>`}</g>`;
      })}
    </svg></div></section>`;
}
