// Places the nodes of a graph and the lines between them (pure).

import { rowsOf } from "./graph_layers.js";

const WIDE = { node: 152, height: 46, gap: 48, layer: 112, margin: 12, most: Infinity };
const NARROW = { node: 148, height: 46, gap: 14, layer: 88, margin: 4, most: 2 };
const LABEL = { width: 88, height: 30 };
const SHARES = [0.5, 0.36, 0.64, 0.25, 0.75, 0.15, 0.85];
const PAIR = 17;
const BEND = 14;
const LEAST_WIDTH = 1100;
const FEW = 4; // nodes without an edge that stay in the layers
const GAP = 14;

// Returns { width, height, size, places: id -> {x, y}, lines: [{ path, label: {x, y} }] }, a line for each edge.
// Wide: layers from left to right; narrow: from top to bottom, in rows of two.
// Many nodes without an edge stand in rows below the others, instead of in one long layer.
export function layout(nodes, edges, narrow) {
  const tied = new Set(edges.flatMap((edge) => [edge.from, edge.to]));
  const lone = nodes.filter((node) => !tied.has(node.id));
  if (lone.length <= FEW || narrow) return layers(nodes, edges, narrow);
  const others = nodes.filter((node) => tied.has(node.id));
  const plan = others.length ? layers(others, edges, narrow) : { width: 0, height: 0, size: WIDE, places: new Map(), lines: [] };
  const width = Math.max(plan.width, LEAST_WIDTH);
  const step = { x: WIDE.node + GAP, y: WIDE.height + GAP };
  const columns = Math.max(1, Math.floor((width - 2 * WIDE.margin + GAP) / step.x));
  lone.forEach((node, at) => {
    plan.places.set(node.id, { x: WIDE.margin + (at % columns) * step.x, y: plan.height + WIDE.margin + Math.floor(at / columns) * step.y });
  });
  return { ...plan, width, height: plan.height + 2 * WIDE.margin + Math.ceil(lone.length / columns) * step.y - GAP };
}

function layers(nodes, edges, narrow) {
  const size = narrow ? NARROW : WIDE;
  const { rows: layers, ways } = rowsOf(nodes, edges, !narrow);
  const rows = narrow ? layers.flatMap((row) => pieces(row, size.most)) : layers;
  const [along, across] = narrow ? [size.height, size.node] : [size.node, size.height];
  const extent = (item) => (item.bend ? BEND : across);
  const lengths = rows.map((row) => row.reduce((sum, item) => sum + extent(item) + size.gap, -size.gap));
  const breadth = Math.max(...lengths);
  const places = new Map();
  rows.forEach((row, layer) => {
    const main = size.margin + layer * (along + size.layer);
    let side = size.margin + (breadth - lengths[layer]) / 2;
    for (const item of row) {
      places.set(item.id, { main, side: side + extent(item) / 2, bend: item.bend });
      side += extent(item) + size.gap;
    }
  });
  const depth = rows.length * (along + size.layer) - size.layer;
  const [width, height] = (narrow ? [breadth, depth] : [depth, breadth]).map((length) => length + 2 * size.margin);
  const known = new Set(edges.map((edge) => `${edge.from}\n${edge.to}`));
  const lines = edges.map((edge, at) => {
    // Two edges between the same nodes keep apart.
    const shift = known.has(`${edge.to}\n${edge.from}`) ? (edge.from < edge.to ? -PAIR : PAIR) : 0;
    const points = pointsOf(ways[at].map((id) => places.get(id)), along, shift);
    return edge.from === ways[at][0] ? points : points.reverse();
  });
  const turn = ({ main, side }) => (narrow ? { x: side, y: main } : { x: main, y: side });
  const boxes = nodes.map((node) => {
    const { x, y } = turn(places.get(node.id));
    return narrow ? { x, y: y + size.height / 2, width: size.node, height: size.height } : { x: x + size.node / 2, y, width: size.node, height: size.height };
  });
  return {
    width,
    height,
    size,
    places: new Map(nodes.map((node) => {
      const { x, y } = turn(places.get(node.id));
      return [node.id, narrow ? { x: x - size.node / 2, y } : { x, y: y - size.height / 2 }];
    })),
    lines: lines.map((points) => ({ path: pathOf(points, turn), label: labelOf(points, turn, boxes) })),
  };
}

function pieces(row, most) {
  const count = Math.ceil(row.length / most);
  return Array.from({ length: count }, (_, at) => row.slice(at * most, (at + 1) * most));
}

// The points where a line changes: pairs of begin and end of a curve.
function pointsOf(way, along, shift) {
  const points = [];
  way.forEach((place, at) => {
    const [before, after] = [at > 0, at < way.length - 1];
    const side = place.side + (place.bend ? 0 : shift);
    if (before) points.push({ main: place.main, side });
    if (after) points.push({ main: place.main + along, side });
  });
  return points;
}

// Returns the control points of the curve between two points.
function curve(one, other) {
  const half = (other.main - one.main) / 2;
  return [one, { main: one.main + half, side: one.side }, { main: other.main - half, side: other.side }, other];
}

function pathOf(points, turn) {
  const text = (point) => `${turn(point).x.toFixed(1)} ${turn(point).y.toFixed(1)}`;
  let path = `M${text(points[0])}`;
  for (let at = 0; at < points.length; at += 2) {
    const [one, first, second, other] = curve(points[at], points[at + 1]);
    path += `${at ? `L${text(one)}` : ""}C${text(first)} ${text(second)} ${text(other)}`;
  }
  return path;
}

// Returns a place for the figures of a line that is free of nodes and of other figures, if there is one.
function labelOf(points, turn, boxes) {
  const candidates = [];
  for (const share of SHARES) {
    for (let at = points.length - 2; at >= 0; at -= 2) candidates.push(turn(pointAt(curve(points[at], points[at + 1]), share)));
  }
  const overlap = (label) => boxes.reduce((sum, box) => {
    const [x, y] = [(LABEL.width + box.width) / 2 - Math.abs(label.x - box.x), (LABEL.height + box.height) / 2 - Math.abs(label.y - box.y)];
    return sum + (x > 0 && y > 0 ? x * y : 0);
  }, 0);
  let best = candidates[0];
  let least = Infinity;
  for (const candidate of candidates) {
    const shared = overlap(candidate);
    if (shared < least) [best, least] = [candidate, shared];
    if (!shared) break;
  }
  boxes.push({ ...best, ...LABEL });
  return best;
}

function pointAt(controls, t) {
  const weights = [(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t ** 3];
  const sum = (key) => controls.reduce((total, point, at) => total + weights[at] * point[key], 0);
  return { main: sum("main"), side: sum("side") };
}
