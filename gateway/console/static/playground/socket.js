// A session over WebSocket: audio as events, played here; what was heard is told to the server.
import { Problem } from './problems.js';

const HZ = 24000;
const ENDED = 1000;
const NO_KEY = 3000;
const MOST_WAITING_BYTES = 1000000; // the microphone is not sent on top of what cannot leave

export class SocketTransport {
  constructor() {
    this.onevent = () => {};
    this.onlost = () => {};
    this.onweak = () => {};
    this.playing = [];
    this.until = 0;
  }

  async open(secret, stream, context) {
    this.context = context;
    this.remote = context.createAnalyser();
    this.remote.connect(context.destination);
    // Without TLS browsers have no worklets, as they have no microphones.
    await context.audioWorklet?.addModule('/playground/static/microphone.js');
    if (this.closed) throw new Problem('closed');
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.socket = new WebSocket(`${scheme}://${location.host}/v1/realtime`, [
      'realtime', `openai-insecure-api-key.${secret}`,
    ]);
    await this.begun();
    this.socket.onclose = ({ code }) => this.onlost(new Problem(code === ENDED ? 'ended' : 'broken'));
    if (!context.audioWorklet) return;
    this.worklet = new AudioWorkletNode(context, 'microphone');
    this.worklet.port.onmessage = ({ data }) => this.append(data);
    this.source = context.createMediaStreamSource(stream);
    this.source.connect(this.worklet);
  }

  // A refusal is told in band, after the upgrade.
  begun() {
    return new Promise((resolve, reject) => {
      let refusal = null;
      this.socket.onmessage = ({ data }) => {
        const event = JSON.parse(data);
        if (event.type === 'session.created') resolve();
        if (event.type === 'error') refusal ??= event.error.message;
        this.take(event);
      };
      this.socket.onclose = ({ code }) => {
        if (code === NO_KEY) reject(new Problem('expired'));
        else reject(refusal ? new Problem('refused', refusal) : new Problem('gone'));
      };
    });
  }

  append(buffer) {
    if (this.socket.bufferedAmount > MOST_WAITING_BYTES) return;
    this.send({ type: 'input_audio_buffer.append', audio: btoa(String.fromCharCode(...new Uint8Array(buffer))) });
  }

  take(event) {
    if (event.type === 'response.output_audio.delta') this.play(event);
    if (event.type === 'input_audio_buffer.speech_started') this.hush();
    this.onevent(event);
  }

  play({ item_id: item, content_index: index, delta }) {
    const bytes = Uint8Array.from(atob(delta), (letter) => letter.charCodeAt(0));
    const samples = new Int16Array(bytes.buffer);
    const buffer = this.context.createBuffer(1, samples.length, HZ);
    buffer.getChannelData(0).set(Float32Array.from(samples, (value) => value / 32768));
    const node = this.context.createBufferSource();
    node.buffer = buffer;
    node.connect(this.remote);
    const begin = Math.max(this.until, this.context.currentTime + 0.05);
    node.start(begin);
    this.until = begin + buffer.duration;
    const last = this.playing.at(-1);
    const piece = { node, item, index, begin, since: last?.item === item ? last.since : begin };
    this.playing.push(piece);
    node.onended = () => { this.playing = this.playing.filter((other) => other !== piece); };
  }

  hush() {
    const now = this.context.currentTime;
    const current = this.playing[0];
    for (const { node } of this.playing) { node.onended = null; node.stop(); }
    this.playing = [];
    this.until = 0;
    if (!current) return;
    const heard = Math.max(0, Math.round((now - current.since) * 1000));
    this.send({
      type: 'conversation.item.truncate', item_id: current.item, content_index: current.index, audio_end_ms: heard,
    });
  }

  send(event) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(event));
  }

  close() {
    this.closed = true;
    this.onlost = this.onevent = () => {};
    this.source?.disconnect();
    this.worklet?.disconnect();
    for (const { node } of this.playing) { node.onended = null; node.stop(); }
    this.playing = [];
    this.socket?.close(1000);
  }
}
