// What each turn took: by the server's events, and by what is heard here.
import { element } from './views.js';

const MOST_TURNS = 100;
const LOUD = 0.02; // of what a microphone can carry
const AUDIO = new Set(['output_audio_buffer.started', 'response.output_audio.delta']);

export class Turns {
  constructor(table) {
    this.rows = table.tBodies[0];
    this.turn = 0;
    this.begin();
  }

  begin() {
    this.ended = this.spoke = this.row = null;
    this.sounding = false;
  }

  take({ type }) {
    const now = performance.now();
    if (type === 'input_audio_buffer.speech_started') this.row = null;
    if (type === 'input_audio_buffer.speech_stopped') this.ended = now;
    if (type === 'response.created') this.add(now);
    if (AUDIO.has(type)) this.put(2, now - this.from);
  }

  // A written turn counts from when its answer was asked for.
  asked() {
    this.ended = this.spoke = performance.now();
    this.row = null;
  }

  add(now) {
    this.from = this.ended ?? now;
    this.quiet = this.spoke ?? this.from;
    this.ended = this.spoke = null;
    this.row = element('tr', {}, element('th', { scope: 'row', textContent: this.turn += 1 }),
      element('td'), element('td'), element('td'));
    this.put(1, now - this.from);
    this.rows.prepend(this.row);
    if (this.rows.rows.length > MOST_TURNS) this.rows.lastElementChild.remove();
  }

  // How loud both sides are, several times a second.
  sounds(you, agent) {
    const now = performance.now();
    if (you > LOUD) this.spoke = now;
    const sounding = agent > LOUD;
    if (sounding && !this.sounding) this.put(3, now - this.quiet);
    this.sounding = sounding;
  }

  put(cell, ms) {
    const place = this.row?.cells[cell];
    if (place && !place.textContent) place.textContent = Math.round(ms);
  }
}
