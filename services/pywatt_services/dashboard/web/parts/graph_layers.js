// Sorts the nodes of a graph into layers, callers before those they call, with few crossings (pure).

const TURNS = 6;

// Returns the layer of each node: the longest way to it, without the edges that close a circle.
export function layersOf(nodes, edges) {
  const outgoing = new Map(nodes.map((node) => [node.id, []]));
  const sources = new Map(nodes.map((node) => [node.id, 0]));
  for (const edge of edges) {
    outgoing.get(edge.from).push(edge.to);
    sources.set(edge.to, sources.get(edge.to) + 1);
  }
  const order = [];
  const state = new Map();
  const back = new Set();
  const begin = [...nodes].sort((one, other) => sources.get(one.id) - sources.get(other.id));
  for (const root of begin) {
    if (state.has(root.id)) continue;
    const way = [[root.id, 0]];
    state.set(root.id, "open");
    while (way.length) {
      const top = way[way.length - 1];
      const next = outgoing.get(top[0])[top[1]++];
      if (next === undefined) {
        state.set(top[0], "done");
        order.push(top[0]);
        way.pop();
      } else if (state.get(next) === "open") back.add(`${top[0]}\n${next}`);
      else if (!state.has(next)) {
        state.set(next, "open");
        way.push([next, 0]);
      }
    }
  }
  const layers = new Map(nodes.map((node) => [node.id, 0]));
  const onwards = (id) => outgoing.get(id).filter((next) => !back.has(`${id}\n${next}`));
  for (const id of order.reverse()) for (const next of onwards(id)) layers.set(next, Math.max(layers.get(next), layers.get(id) + 1));
  // What nothing leads to stands right before what it leads to.
  for (const node of nodes) {
    const next = onwards(node.id).map((id) => layers.get(id));
    if (!sources.get(node.id) && next.length) layers.set(node.id, Math.min(...next) - 1);
  }
  return layers;
}

// Returns { rows, ways }: rows of { id, bend } and, for each edge, the ids from its lower layer to its upper one.
// An edge over several layers has a bend in each between them if `bends`.
export function rowsOf(nodes, edges, bends) {
  const layers = layersOf(nodes, edges);
  const rows = Array.from({ length: Math.max(...layers.values()) + 1 }, () => []);
  for (const node of nodes) rows[layers.get(node.id)].push({ id: node.id, bend: false, near: [] });
  const items = new Map(rows.flat().map((item) => [item.id, item]));
  const ways = edges.map((edge, number) => {
    const [low, high] = layers.get(edge.from) <= layers.get(edge.to) ? [edge.from, edge.to] : [edge.to, edge.from];
    const way = [low];
    for (let layer = layers.get(low) + 1; bends && layer < layers.get(high); layer++) {
      const item = { id: `bend ${number} ${layer}`, bend: true, near: [] };
      rows[layer].push(item);
      items.set(item.id, item);
      way.push(item.id);
    }
    way.push(high);
    for (let at = 1; at < way.length; at++) {
      items.get(way[at - 1]).near.push(way[at]);
      items.get(way[at]).near.push(way[at - 1]);
    }
    return way;
  });
  const place = new Map();
  const number = (row) => row.forEach((item, at) => place.set(item.id, (at + 0.5) / row.length));
  rows.forEach(number);
  for (let turn = 0; turn < TURNS; turn++) {
    for (const row of turn % 2 ? [...rows].reverse() : rows) {
      const weights = new Map(row.map((item) => [item, item.near.length ? item.near.reduce((sum, id) => sum + place.get(id), 0) / item.near.length : place.get(item.id)]));
      row.sort((one, other) => weights.get(one) - weights.get(other));
      number(row);
    }
  }
  return { rows, ways };
}
