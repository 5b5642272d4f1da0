// A list of any length of which only the rows in sight exist. Rows have one height.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/htm-preact-3.1.1.js";

const MARGIN = 12;

// `follow`: stay at the end; `onFollow` is told when the reader scrolls away from it or back.
export function VirtualList({ rows, version, rowHeight, label, row, selected, onSelect, follow, onFollow, empty }) {
  const box = useRef(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  useLayoutEffect(() => {
    if (follow) box.current.scrollTop = rows.length * rowHeight;
  }, [version, follow, height]);
  useEffect(() => {
    const measure = new ResizeObserver(() => setHeight(box.current ? box.current.clientHeight : 600));
    measure.observe(box.current);
    return () => measure.disconnect();
  }, []);
  const scroll = () => {
    const place = box.current;
    const atEnd = place.scrollHeight - place.scrollTop - place.clientHeight < rowHeight * 1.5;
    setTop(place.scrollTop);
    if (onFollow && atEnd !== follow) onFollow(atEnd);
  };
  const press = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -Infinity, End: Infinity }[event.key];
    if (!step || !rows.length) return;
    event.preventDefault();
    const at = selected >= 0 ? selected + step : step > 0 ? 0 : rows.length - 1;
    const next = Math.max(0, Math.min(rows.length - 1, at));
    onSelect(next);
    const place = box.current;
    if (next * rowHeight < place.scrollTop) place.scrollTop = next * rowHeight;
    else if ((next + 1) * rowHeight > place.scrollTop + place.clientHeight) place.scrollTop = (next + 1) * rowHeight - place.clientHeight;
  };
  const first = Math.max(0, Math.min(Math.floor(top / rowHeight), rows.length - 1) - MARGIN);
  const last = Math.min(rows.length, Math.ceil((top + height) / rowHeight) + MARGIN);
  const shown = [];
  for (let at = first; at < last; at++) {
    shown.push(html`<div
      key=${rows[at].key}
      id=${`row-${at}`}
      role="option"
      aria-selected=${at === selected ? "true" : "false"}
      aria-setsize=${rows.length}
      aria-posinset=${at + 1}
      class="virtual-row ${rows[at].tone || ""}"
      style=${{ top: `${at * rowHeight}px`, height: `${rowHeight}px` }}
      onClick=${() => onSelect(at)}
      >${row(rows[at])}</div
    >`);
  }
  return html`<div class="virtual" ref=${box} onScroll=${scroll} onKeyDown=${press} tabindex="0" role="listbox" aria-label=${label}
      aria-activedescendant=${selected >= first && selected < last ? `row-${selected}` : undefined}>
    <div class="virtual-space" role="presentation" style=${{ height: `${Math.max(rows.length * rowHeight, 1)}px` }}>${shown}</div>
    ${!rows.length && html`<p class="virtual-empty" role="option" aria-disabled="true" aria-selected="false">${empty}</p>`}
  </div>`;
}
