// The event log: bounded, sifted by what is typed, copied as it is shown.
import { Tail, element } from './views.js';

const MOST_EVENTS = 2000;
const MOST_SHOWN = 20000;
const LONG = 200;
const FLUSH_MS = 100;
const DELTA = /\.delta$/;

function readable(event) {
  return JSON.stringify(event, (key, value) => (
    ['audio', 'delta', 'image_url'].includes(key) && typeof value === 'string' && value.length > LONG
      ? `… ${value.length} characters` : value), 2).slice(0, MOST_SHOWN);
}

export class EventLog {
  constructor(list, filter, deltas) {
    this.list = list;
    this.filter = filter;
    this.deltas = deltas;
    this.events = [];
    this.waiting = [];
    this.tail = new Tail(list);
    this.began = performance.now();
    filter.addEventListener('input', () => this.sift());
    deltas.addEventListener('change', () => this.sift());
  }

  add(direction, event) {
    const at = ((performance.now() - this.began) / 1000).toFixed(2);
    const row = { at, direction, shown: readable(event), type: String(event.type) };
    this.events.push(row);
    if (this.events.length > MOST_EVENTS) this.events.shift().line?.remove();
    this.waiting.push(row);
    if (this.waiting.length === 1) setTimeout(() => this.flush(), FLUSH_MS);
  }

  // Rows enter the page together, so that many events cost one layout.
  flush() {
    const rows = this.waiting.slice(-MOST_EVENTS);
    this.waiting = [];
    this.list.append(...rows.map((row) => this.line(row)));
    this.tail.follow();
  }

  line(row) {
    const sent = row.direction === 'out';
    const details = element('details', {}, element('summary', {},
      `${row.at} ${sent ? '→' : '←'} `, element('span', { className: 'unseen', textContent: sent ? 'sent ' : 'received ' }), row.type));
    details.addEventListener('toggle', () => {
      if (details.childElementCount === 1) details.append(element('pre', { textContent: row.shown }));
    });
    row.line = element('li', { className: `${row.direction}${row.type === 'error' ? ' error' : ''}` }, details);
    row.line.hidden = !this.matches(row);
    return row.line;
  }

  // What is typed is looked for in the names of events, and in their content if it is no part of a name.
  matches({ type, shown }) {
    if (!this.deltas.checked && DELTA.test(type)) return false;
    const wanted = this.filter.value.trim().toLowerCase();
    return !wanted || type.includes(wanted) || shown.toLowerCase().includes(wanted);
  }

  sift() { for (const row of this.events) if (row.line) row.line.hidden = !this.matches(row); }

  shown() { return this.events.filter((row) => this.matches(row)); }

  text() { return this.shown().map(({ at, direction, shown }) => `${at} ${direction} ${shown}`).join('\n'); }

  clear() {
    this.events = [];
    this.waiting = [];
    this.list.replaceChildren();
  }
}
