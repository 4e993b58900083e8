// One conversation's microphone and its connection, which may be made anew.
import { Problem, ask } from './problems.js';
import { SocketTransport } from './socket.js';
import { WebRtcTransport } from './webrtc.js';

const HEARING = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

export class Talk {
  constructor(settings, audio) {
    this.settings = settings;
    this.audio = audio;
    this.closed = false;
    this.onevent = () => {};
    this.onlost = () => {};
    this.onweak = () => {};
  }

  get remote() { return this.transport?.remote; }

  get callId() { return this.transport?.callId; }

  async listen(silent) {
    this.context = new AudioContext();
    const stream = silent ? this.context.createMediaStreamDestination().stream : await this.microphone();
    this.stream = stream;
    if (this.closed) this.release();
    this.check();
    this.local = this.context.createAnalyser();
    this.context.createMediaStreamSource(stream).connect(this.local);
    this.context.resume().catch(() => {}); // never settles where there is no sound card
  }

  async microphone() {
    if (!navigator.mediaDevices) throw new Problem('insecure');
    return navigator.mediaDevices.getUserMedia({ audio: HEARING })
      .catch((error) => { throw Problem.ofMicrophone(error); });
  }

  // A key that is too old when it arrives is renewed, once.
  async connect() {
    await this.once().catch(async (problem) => {
      if (problem.kind !== 'expired') throw problem;
      await this.once();
    });
    this.transport.onlost = (problem) => this.onlost(problem);
    this.transport.onweak = (weak) => this.onweak(weak);
  }

  async once() {
    this.transport?.close();
    const transport = this.settings.transport === 'webrtc' ? new WebRtcTransport(this.audio) : new SocketTransport();
    this.transport = transport;
    transport.onevent = (event) => this.onevent(event);
    try {
      await transport.open(await this.secret(), this.stream, this.context);
      this.check();
    } catch (error) {
      transport.close();
      throw error;
    }
  }

  // Minted for this one connection; it is handed on and kept nowhere.
  async secret() {
    const answer = await ask('/playground/secret', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ session: { ...this.settings.session(), model: this.settings.model } }),
    });
    const { value } = await answer.json();
    this.check();
    return value;
  }

  check() {
    if (this.closed) throw new Problem('closed');
  }

  mute(muted) {
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  send(event) { this.transport?.send(event); }

  close() {
    this.closed = true;
    this.onevent = this.onlost = this.onweak = () => {};
    this.transport?.close();
    this.release();
  }

  release() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.context?.close().catch(() => {});
    this.local = null;
  }
}
