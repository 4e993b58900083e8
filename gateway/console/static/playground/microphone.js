// 24 kHz mono 16-bit pieces of 20 ms from the microphone, for the WebSocket (runs as an AudioWorklet).
const PIECE = 480;
const HZ = 24000;

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.step = sampleRate / HZ; // one at least: no context is slower
    this.due = this.step;
    this.sum = 0;
    this.count = 0;
  }

  // The mean of each step keeps most of what 24 kHz cannot carry from folding down into speech.
  process([input]) {
    for (const value of input[0] ?? []) {
      this.sum += value;
      this.count += 1;
      this.due -= 1;
      if (this.due <= 0) this.sample(this.sum / this.count);
    }
    return true;
  }

  sample(value) {
    this.due += this.step;
    this.sum = 0;
    this.count = 0;
    this.piece[this.filled++] = Math.max(-1, Math.min(1, value)) * 32767;
    if (this.filled < PIECE) return;
    this.port.postMessage(this.piece.slice().buffer);
    this.filled = 0;
  }
}

registerProcessor('microphone', Microphone);
