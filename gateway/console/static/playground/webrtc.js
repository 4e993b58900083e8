// A call over WebRTC: media by RTP, events on the data channel.
import { Problem, ask } from './problems.js';

const CONNECT_MS = 20000;
const WEAK_MS = 5000; // a path that is silent for so long is given up
const SETTLE_MS = 300; // a call that the server ends fails and closes within this

export class WebRtcTransport {
  constructor(audio) {
    this.audio = audio;
    this.onevent = () => {};
    this.onlost = () => {};
    this.onweak = () => {};
    this.remote = null;
  }

  async open(secret, stream, context) {
    const { ice_servers: iceServers } = await (await ask('/playground/ice')).json();
    if (this.closed) throw new Problem('closed');
    this.peer = new RTCPeerConnection({ iceServers });
    this.peer.ontrack = ({ streams }) => {
      this.audio.srcObject = streams[0];
      this.remote = context.createAnalyser();
      context.createMediaStreamSource(streams[0]).connect(this.remote);
    };
    for (const track of stream.getAudioTracks()) this.peer.addTrack(track, stream);
    this.channel = this.peer.createDataChannel('oai-events');
    this.channel.onmessage = ({ data }) => this.onevent(JSON.parse(data));
    const opened = this.opened();
    opened.catch(() => {}); // whoever awaits it may have left before it fails
    await this.peer.setLocalDescription(await this.peer.createOffer());
    const answer = await ask('/v1/realtime/calls', {
      method: 'POST',
      body: this.peer.localDescription.sdp,
      headers: { Authorization: `Bearer ${secret}`, 'Content-Type': 'application/sdp' },
    });
    this.callId = answer.headers.get('location')?.split('/').pop();
    await this.peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    await opened;
    this.peer.onconnectionstatechange = () => this.watch(this.peer.connectionState);
    this.channel.onclose = () => this.lost('ended');
    this.watch(this.peer.connectionState);
  }

  opened() {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Problem('ice')), CONNECT_MS);
      this.channel.onopen = () => { clearTimeout(timer); resolve(); };
      this.peer.onconnectionstatechange = () => {
        if (this.peer.connectionState === 'failed') { clearTimeout(timer); reject(new Problem('ice')); }
      };
    });
  }

  watch(state) {
    clearTimeout(this.waiting);
    if (state === 'connected') this.onweak(false);
    if (state === 'disconnected') {
      this.onweak(true);
      this.waiting = setTimeout(() => this.lost('broken'), WEAK_MS);
    }
    if (state === 'failed' || state === 'closed') this.waiting = setTimeout(() => this.lost('broken'), SETTLE_MS);
  }

  lost(kind) {
    const tell = this.onlost;
    this.close();
    tell(new Problem(kind));
  }

  send(event) {
    if (this.channel?.readyState === 'open') this.channel.send(JSON.stringify(event));
  }

  close() {
    this.closed = true;
    this.onlost = this.onweak = this.onevent = () => {};
    clearTimeout(this.waiting);
    this.channel?.close();
    this.peer?.close();
    this.audio.srcObject = null;
  }
}
