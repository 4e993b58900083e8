// A call over WebRTC: media by RTP, events on the data channel.
import { Problem } from './problems.js';

const CONNECT_MS = 30000;

export class WebRtcTransport {
  constructor(audio) {
    this.audio = audio;
    this.onevent = () => {};
    this.onlost = () => {};
    this.local = null;
    this.remote = null;
  }

  async open(secret, stream, context) {
    const ice = await fetch('/playground/ice');
    if (!ice.ok) throw await Problem.of(ice);
    this.peer = new RTCPeerConnection({ iceServers: (await ice.json()).ice_servers });
    this.local = stream;
    this.peer.ontrack = ({ streams }) => {
      this.audio.srcObject = streams[0];
      this.remote = context.createAnalyser();
      context.createMediaStreamSource(streams[0]).connect(this.remote);
    };
    for (const track of stream.getAudioTracks()) this.peer.addTrack(track, stream);
    this.channel = this.peer.createDataChannel('oai-events');
    this.channel.onmessage = ({ data }) => this.onevent(JSON.parse(data));
    const opened = this.opened();
    await this.peer.setLocalDescription(await this.peer.createOffer());
    const answer = await fetch('/v1/realtime/calls', {
      method: 'POST',
      body: this.peer.localDescription.sdp,
      headers: { Authorization: `Bearer ${secret}`, 'Content-Type': 'application/sdp' },
    });
    if (!answer.ok) throw await Problem.of(answer);
    this.callId = answer.headers.get('location')?.split('/').pop();
    await this.peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    await opened;
    this.peer.onconnectionstatechange = () => {
      if (['failed', 'closed'].includes(this.peer.connectionState)) this.onlost(new Problem('ice'));
    };
    this.channel.onclose = () => this.onlost(new Problem('ended'));
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

  send(event) {
    if (this.channel?.readyState === 'open') this.channel.send(JSON.stringify(event));
  }

  close() {
    this.onlost = () => {};
    this.channel?.close();
    this.peer?.close();
    this.audio.srcObject = null;
  }
}
