// What is seen of the conversation: waves and transcript. Text always goes in as text.
const MOST_ITEMS = 500;
const NEAR = 40; // px
const FOLLOW_MS = 100;
const MOST_CARRIED = 50; // what a new call is told of the old one

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function newId(prefix) {
  return `${prefix}_${crypto.getRandomValues(new Uint32Array(3)).reduce((text, part) => text + part.toString(36).padStart(7, '0'), '')}`;
}

// Keeps the end of a list in sight, unless somebody scrolled up; many changes cost one layout.
export class Tail {
  constructor(list) {
    this.list = list;
    this.low = true;
    this.due = false;
    list.addEventListener('scroll', () => {
      this.low = list.scrollTop + list.clientHeight > list.scrollHeight - NEAR;
    }, { passive: true });
  }

  follow() {
    if (!this.low || this.due) return;
    this.due = true;
    setTimeout(() => {
      this.due = false;
      this.list.scrollTop = this.list.scrollHeight;
    }, FOLLOW_MS);
  }
}

export class Wave {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext('2d');
    this.levels = [];
    this.samples = new Float32Array(0);
  }

  // Returns how loud it is now, 0 to 1.
  draw(analyser) {
    if (analyser && this.samples.length !== analyser.fftSize) this.samples = new Float32Array(analyser.fftSize);
    let level = 0;
    if (analyser) {
      analyser.getFloatTimeDomainData(this.samples);
      for (const value of this.samples) level = Math.max(level, Math.abs(value));
    }
    const { width, height } = this.canvas;
    this.levels.push(level);
    if (this.levels.length > width / 3) this.levels.shift();
    this.pen.clearRect(0, 0, width, height);
    this.pen.fillStyle = getComputedStyle(this.canvas).color;
    this.levels.forEach((one, place) => {
      const size = Math.max(1, Math.sqrt(one) * height);
      this.pen.fillRect(width - (this.levels.length - place) * 3, (height - size) / 2, 2, size);
    });
    this.canvas.dataset.level = Math.max(...this.levels, 0).toFixed(3);
    return level;
  }
}

export class Transcript {
  constructor(list) {
    this.list = list;
    this.items = new Map();
    this.carried = new Set();
    this.tail = new Tail(list);
  }

  item(id, role) {
    if (!this.items.has(id)) {
      const words = element('span', { className: 'words' });
      const line = element('li', { className: role }, element('span', {
        className: 'who', textContent: role === 'user' ? 'You ' : 'Agent ',
      }), words);
      this.append(line);
      this.items.set(id, { role, line, words });
      if (this.items.size > MOST_ITEMS) this.items.delete(this.items.keys().next().value);
    }
    return this.items.get(id);
  }

  // An item that the server tells of; what was carried over is here already.
  added({ id, type, role, content }) {
    if (type !== 'message' || role === 'system' || this.carried.delete(id)) return;
    this.item(id, role);
    for (const { type: kind, text } of content ?? []) if (kind === 'input_text') this.add(id, role, text);
  }

  append(line) {
    this.list.append(line);
    if (this.list.childElementCount > MOST_ITEMS) this.list.firstElementChild.remove();
    this.tail.follow();
  }

  add(id, role, text) {
    this.item(id, role).words.append(text);
    this.tail.follow();
  }

  set(id, role, text) {
    this.item(id, role).words.textContent = text;
    this.tail.follow();
  }

  image(id, url) {
    this.item(id, 'user').line.append(element('img', { src: url, alt: 'The image you sent' }));
    this.tail.follow();
  }

  cut(id, ms) {
    this.items.get(id)?.line.append(element('span', { className: 'cut', textContent: ` — cut at ${(ms / 1000).toFixed(1)} s` }));
  }

  note(text) { this.append(element('li', { className: 'note', textContent: text })); }

  clear() {
    this.items.clear();
    this.carried.clear();
    this.list.replaceChildren();
  }

  get empty() { return this.said().length === 0; }

  // Items for a new call that say what was said in the old one.
  said() {
    return [...this.items.values()]
      .map(({ role, words }) => ({ role, text: words.textContent.trim() }))
      .filter(({ text }) => text)
      .slice(-MOST_CARRIED)
      .map(({ role, text }) => ({
        id: newId('item'), type: 'message', role,
        content: [{ type: role === 'user' ? 'input_text' : 'output_text', text }],
      }));
  }

  carry(items) {
    for (const { id } of items) this.carried.add(id);
    if (items.length) this.note('A new call, which was told what was said.');
  }
}
