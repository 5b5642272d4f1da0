// Content that is made only while it is near the part of the page in sight; elsewhere its place is kept free.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact-3.1.1.js";

const MARGIN = "400px";

// `children`: a function; `height`: pixels of the place before it was seen.
export function InSight({ children, height }) {
  const box = useRef(null);
  const [near, setNear] = useState(false);
  const [known, setKnown] = useState(height);
  useEffect(() => {
    const watch = new IntersectionObserver((entries) => {
      const entry = entries[entries.length - 1];
      if (!entry.isIntersecting && entry.boundingClientRect.height) setKnown(entry.boundingClientRect.height);
      setNear(entry.isIntersecting);
    }, { rootMargin: MARGIN });
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  return html`<div ref=${box} style=${near ? {} : { minHeight: `${known}px` }}>${near && children()}</div>`;
}
