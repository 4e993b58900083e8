// What went wrong, in words that say what to do.
const TEXTS = {
  denied: 'The microphone was denied. Allow it in the address bar and start again, or start without one and write.',
  absent: 'No microphone was found. Plug one in, or start without one and write.',
  busy: 'The microphone cannot be opened. Another program may have it; or start without one and write.',
  insecure: 'Browsers give the microphone to https and to localhost only. Serve with TLS, or start without one and write.',
  ice: 'No media came through. UDP between this browser and the server may be blocked: open it, or use WebSocket.',
  broken: 'The connection broke.',
  gone: 'The server does not answer. See whether it runs, and whether this browser reaches it.',
  ended: 'The server ended the session.',
  expired: 'The key of this session expired twice before it was used. Compare the clocks, and start again.',
  operator: 'This page is no longer open to you. Ask for a new link: the server prints one when it starts.',
  image: 'The image is too large for a call: 180 kB at most, or use WebSocket.',
  picture: 'Only PNG and JPEG images can be sent.',
  tools: 'The tools are no JSON list of functions.',
  copy: 'The browser does not let this page copy.',
};
const MICROPHONE = { NotAllowedError: 'denied', SecurityError: 'denied', NotFoundError: 'absent' };

export class Problem extends Error {
  constructor(kind, text) {
    super(text ?? TEXTS[kind] ?? kind);
    this.kind = kind;
  }

  // Of an answer of the server that is none to go on with.
  static async of(answer) {
    const { error } = await answer.json().catch(() => ({}));
    if (answer.status === 401) return new Problem(error?.code === 'operator_required' ? 'operator' : 'expired');
    return new Problem('refused', error?.message ?? `The server answered ${answer.status}.`);
  }

  static ofMicrophone(error) {
    return new Problem(MICROPHONE[error.name] ?? 'busy');
  }

  static from(error) {
    return error instanceof Problem ? error : new Problem('failed', error.message);
  }
}

// `fetch` throws where nobody answers.
export async function ask(url, options) {
  const answer = await fetch(url, options).catch(() => { throw new Problem('gone'); });
  if (!answer.ok) throw await Problem.of(answer);
  return answer;
}
