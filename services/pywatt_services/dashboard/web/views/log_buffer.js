// The newest log records of this page, bounded in number and in characters.

const MOST_RECORDS = 20000;
const MOST_CHARACTERS = 16e6;

const MOST_WAITING = 4e6;
const COUNTS = /^\{"skipped":(\d+),"count":(\d+),/;

export const LEVELS = { 10: "trace", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal" };
const KNOWN = new Set(["level", "time", "pid", "hostname", "name", "worker", "msg", "logger", "err", "trace_id", "span_id"]);

export class LogBuffer {
  constructor() {
    this.rows = [];
    this.count = 0;
    this.characters = 0;
    this.dropped = 0;
    this.skipped = 0;
  }

  add({ records, skipped }) {
    this.skipped += skipped;
    if (skipped) this.#push({ key: ++this.count, skipped, size: 40, tone: "skipped" });
    for (const record of records) this.#push(this.#row(record));
    let gone = 0;
    while (this.rows.length - gone > MOST_RECORDS || (this.characters > MOST_CHARACTERS && this.rows.length - gone > 1)) {
      this.characters -= this.rows[gone].size;
      gone += 1;
    }
    if (gone) {
      this.rows = this.rows.slice(gone);
      this.dropped += gone;
    }
  }

  #push(row) {
    this.characters += row.size;
    this.rows.push(row);
  }

  #row(record) {
    const text = String(record.msg ?? "");
    const stack = record.err && record.err.stack ? String(record.err.stack) : "";
    const end = text.indexOf("\n");
    const folded = (end >= 0 ? text.split("\n").length - 1 : 0) + (stack ? stack.split("\n").length : 0);
    return {
      key: ++this.count,
      record,
      line: (end >= 0 ? text.slice(0, end) : text) + (record.err && record.err.type ? ` · ${record.err.type}: ${String(record.err.message ?? "").split("\n")[0]}` : ""),
      folded,
      size: text.length + stack.length + 200,
      level: LEVELS[record.level] || String(record.level),
      tone: record.level >= 50 ? "bad" : record.level >= 40 ? "warn" : record.level < 30 ? "faint" : "",
    };
  }
}

// Returns the keys of a record that have no place of their own, with their values as text.
export function extras(record) {
  return Object.entries(record)
    .filter(([key]) => !KNOWN.has(key))
    .map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value, null, 1)]);
}

// Batches that wait to be read, as text: what a page that is hidden or slow cannot take is passed over, oldest first.
export class BatchQueue {
  constructor() {
    this.texts = [];
    this.characters = 0;
    this.passed = 0;
  }

  push(text) {
    this.texts.push(text);
    this.characters += text.length;
    while (this.characters > MOST_WAITING && this.texts.length > 1) {
      const gone = this.#shift();
      const [, skipped, count] = COUNTS.exec(gone);
      this.passed += Number(skipped) + Number(count);
    }
  }

  // Reads batches into a buffer until the time is over, at least one; returns whether some are left.
  drain(buffer, milliseconds) {
    const end = performance.now() + milliseconds;
    while (this.texts.length) {
      const batch = JSON.parse(this.#shift());
      buffer.add({ ...batch, skipped: batch.skipped + this.passed });
      this.passed = 0;
      if (performance.now() >= end) break;
    }
    return this.texts.length > 0;
  }

  #shift() {
    const text = this.texts.shift();
    this.characters -= text.length;
    return text;
  }
}
