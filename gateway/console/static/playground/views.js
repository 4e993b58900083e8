// What is seen: waves, transcript, events, latency. Text always goes in as text.
const MOST_EVENTS = 2000;
const MOST_SHOWN = 20000;

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export class Wave {
  constructor(canvas) {
    this.canvas = canvas;
    this.levels = [];
  }

  draw(analyser) {
    const samples = new Float32Array(analyser ? analyser.fftSize : 0);
    analyser?.getFloatTimeDomainData(samples);
    this.levels.push(samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
    const { width, height } = this.canvas;
    const bars = width / 3;
    this.levels = this.levels.slice(-bars);
    const pen = this.canvas.getContext('2d');
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = getComputedStyle(this.canvas).color;
    this.levels.forEach((level, place) => {
      const size = Math.max(1, Math.sqrt(level) * height);
      pen.fillRect(width - (this.levels.length - place) * 3, (height - size) / 2, 2, size);
    });
    this.canvas.dataset.level = Math.max(...this.levels, 0).toFixed(3);
  }
}

export class Transcript {
  constructor(list) {
    this.list = list;
    this.items = new Map();
  }

  item(id, role) {
    if (!this.items.has(id)) {
      const words = element('span', { className: 'words' });
      const line = element('li', { className: role }, element('span', {
        className: 'who', textContent: role === 'user' ? 'You' : 'Agent',
      }), words);
      this.list.append(line);
      this.items.set(id, { role, line, words });
    }
    this.list.scrollTop = this.list.scrollHeight;
    return this.items.get(id);
  }

  add(id, role, text) { this.item(id, role).words.textContent += text; }

  set(id, role, text) { this.item(id, role).words.textContent = text; }

  image(id, url) { this.item(id, 'user').line.append(element('img', { src: url, alt: 'The image you sent' })); }

  cut(id, ms) {
    const item = this.items.get(id);
    item?.line.append(element('span', { className: 'cut', textContent: ` — cut at ${(ms / 1000).toFixed(1)} s` }));
  }

  // What a new call is told of the old one.
  said() {
    return [...this.items.values()]
      .map(({ role, words }) => ({ role, text: words.textContent.trim() }))
      .filter(({ text }) => text);
  }
}

export class EventLog {
  constructor(list, filter) {
    this.list = list;
    this.filter = filter;
    this.events = [];
    this.began = performance.now();
    filter.addEventListener('input', () => this.sift());
  }

  add(direction, event) {
    const at = ((performance.now() - this.began) / 1000).toFixed(2);
    const shown = JSON.stringify(event, (key, value) => (
      ['audio', 'delta', 'image_url'].includes(key) && typeof value === 'string' && value.length > 200
        ? `… ${value.length} characters` : value), 2).slice(0, MOST_SHOWN);
    const line = element('li', { className: `${direction}${event.type === 'error' ? ' error' : ''}` },
      element('details', {},
        element('summary', { textContent: `${at} ${direction === 'out' ? '→' : '←'} ${event.type}` }),
        element('pre', { textContent: shown })));
    this.events.push({ at, direction, shown, type: event.type, line });
    line.hidden = !this.matches(event.type);
    const low = this.list.scrollTop + this.list.clientHeight > this.list.scrollHeight - 40;
    this.list.append(line);
    if (this.events.length > MOST_EVENTS) this.events.shift().line.remove();
    if (low) this.list.scrollTop = this.list.scrollHeight;
  }

  matches(type) { return type.includes(this.filter.value.trim()); }

  sift() { for (const { line, type } of this.events) line.hidden = !this.matches(type); }

  text() {
    return this.events.filter(({ type }) => this.matches(type))
      .map(({ at, direction, shown }) => `${at} ${direction} ${shown}`).join('\n');
  }

  clear() {
    this.events = [];
    this.list.replaceChildren();
  }
}

export class Turns {
  constructor(table) {
    this.rows = table.tBodies[0];
    this.turn = 0;
    this.ended = null;
  }

  take(event) {
    const now = performance.now();
    if (event.type === 'input_audio_buffer.speech_stopped') this.ended = now;
    if (event.type === 'response.created') {
      this.turn += 1;
      this.first = null;
      this.created = now;
      this.row = element('tr', {}, element('td', { textContent: this.turn }),
        element('td', { textContent: this.ms(now) }), element('td'));
      this.rows.prepend(this.row);
    }
    const sounds = event.type === 'output_audio_buffer.started' || event.type === 'response.output_audio.delta';
    if (sounds && this.row && this.first === null) {
      this.first = now;
      this.row.cells[2].textContent = this.ms(now);
      this.ended = null;
    }
  }

  ms(now) { return this.ended === null ? `${Math.round(now - (this.created ?? now))} ms after asked` : `${Math.round(now - this.ended)} ms`; }
}
