// What went wrong, in words that say what to do.
const TEXTS = {
  denied: 'The microphone was denied. Allow it in the address bar, then start again.',
  absent: 'No microphone was found. Plug one in, or write instead.',
  ice: 'No media came through. UDP between this browser and the server may be blocked; try WebSocket.',
  socket: 'The connection to the server was lost.',
  ended: 'The server ended the session.',
  operator: 'This page is no longer open to you. Ask for a new link: the server prints one when it starts.',
  image: 'The image is too large for a call: 180 kB at most, or use WebSocket.',
  tools: 'The tools are no JSON list.',
};

export class Problem extends Error {
  constructor(kind, text) {
    super(text ?? TEXTS[kind] ?? kind);
    this.kind = kind;
  }

  static async of(answer) {
    const body = await answer.json().catch(() => ({}));
    if (answer.status === 401) return new Problem('expired', body.error?.message ?? TEXTS.operator);
    return new Problem('refused', body.error?.message ?? `The server answered ${answer.status}.`);
  }

  static ofMicrophone(error) {
    return new Problem(error.name === 'NotAllowedError' ? 'denied' : 'absent');
  }
}
