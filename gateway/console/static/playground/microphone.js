// 24 kHz mono 16-bit pieces of 20 ms from the microphone, for the WebSocket (runs as an AudioWorklet).
const PIECE = 480;

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.step = sampleRate / 24000;
    this.at = 0;
  }

  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    // Linear steps are enough where the context could not be had at 24 kHz.
    for (; this.at < samples.length; this.at += this.step) {
      const value = Math.max(-1, Math.min(1, samples[Math.floor(this.at)]));
      this.piece[this.filled++] = value * 32767;
      if (this.filled === PIECE) {
        this.port.postMessage(this.piece.slice().buffer);
        this.filled = 0;
      }
    }
    this.at -= samples.length;
    return true;
  }
}

registerProcessor('microphone', Microphone);
