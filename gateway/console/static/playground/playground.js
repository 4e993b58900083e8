// The page: settings to a session, a transport to the views, and what to do when it breaks.
import { Problem } from './problems.js';
import { SocketTransport } from './socket.js';
import { EventLog, Transcript, Turns, Wave, element } from './views.js';
import { WebRtcTransport } from './webrtc.js';

const TRIES = 3;
const MOST_IMAGE_BYTES = 180000; // a data channel bears 256 KiB, an image grows by a third
const by = (id) => document.getElementById(id);
const form = by('settings');
const compose = by('compose');
const log = new EventLog(by('log'), by('filter'));
const transcript = new Transcript(by('transcript'));
const turns = new Turns(by('turns'));
const waves = { in: new Wave(by('wave-in')), out: new Wave(by('wave-out')) };

let transport = null;
let stream = null;
let context = null;
let microphone = null;
let stopping = false;

function show(state, text) {
  by('state').dataset.state = state;
  by('state').textContent = text;
  const live = state === 'live';
  for (const id of ['apply', 'mute', 'stop']) by(id).disabled = !live && state !== 'connecting';
  by('start').disabled = live || state === 'connecting';
  by('before').disabled = live || state === 'connecting';
  for (const field of compose.elements) field.disabled = !live;
}

function explain(problem) {
  by('problem').hidden = !problem;
  by('problem').textContent = problem?.message ?? '';
}

function session() {
  const text = form.elements.tools.value.trim();
  let tools = [];
  try {
    tools = text ? JSON.parse(text) : [];
  } catch {
    throw new Problem('tools');
  }
  if (!Array.isArray(tools)) throw new Problem('tools');
  const instructions = form.elements.instructions.value.trim();
  return {
    type: 'realtime',
    ...(instructions ? { instructions } : {}),
    tools,
    audio: {
      input: { transcription: { model: 'gpt-4o-mini-transcribe' } },
      ...(form.elements.voice.value ? { output: { voice: form.elements.voice.value } } : {}),
    },
  };
}

// A key for this one connection, minted anew each time: none is ever too old.
async function secret() {
  const answer = await fetch('/playground/secret', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ session: { ...session(), model: form.elements.model.value } }),
  });
  if (answer.status === 401) throw new Problem('operator');
  if (!answer.ok) throw await Problem.of(answer);
  return (await answer.json()).value;
}

function send(event) {
  transport.send(event);
  log.add('out', event);
}

async function connect() {
  const Transport = form.elements.transport.value === 'webrtc' ? WebRtcTransport : SocketTransport;
  transport = new Transport(by('voice'));
  transport.onevent = take;
  const opening = transport;
  await opening.open(await secret(), stream, context);
  if (stopping) {
    opening.close();
    throw new Problem('ended');
  }
  opening.onlost = (problem) => lost(problem);
}

async function start() {
  explain(null);
  stopping = false;
  show('connecting', 'Connecting…');
  try {
    session();
    stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } })
      .catch((error) => { throw Problem.ofMicrophone(error); });
    context = new AudioContext();
    microphone = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(microphone);
    if (stopping) throw new Problem('ended');
    await connect();
    show('live', 'Connected');
  } catch (problem) {
    await end(problem instanceof Problem ? problem : new Problem('failed', problem.message));
  }
}

// A broken call cannot be mended (there is no second offer): a new one is told what was said.
async function lost(problem) {
  if (stopping) return;
  if (problem.kind === 'ended') {
    await end(problem);
    return;
  }
  const said = transcript.said();
  for (let attempt = 1; attempt <= TRIES && !stopping; attempt += 1) {
    show('connecting', `Connection lost, trying again (${attempt} of ${TRIES})…`);
    transport.close();
    try {
      await connect();
      for (const { role, text } of said) {
        const type = role === 'user' ? 'input_text' : 'output_text';
        send({ type: 'conversation.item.create', item: { type: 'message', role, content: [{ type, text }] } });
      }
      show('live', 'Connected again');
      return;
    } catch (again) {
      problem = again instanceof Problem ? again : problem;
      await new Promise((resolve) => { setTimeout(resolve, 1000 * attempt); });
    }
  }
  await end(problem);
}

async function end(problem) {
  stopping = true;
  transport?.close();
  for (const track of stream?.getTracks() ?? []) track.stop();
  await context?.close().catch(() => {});
  stream = context = microphone = transport = null;
  by('mute').setAttribute('aria-pressed', 'false');
  show(problem ? 'failed' : 'idle', problem ? 'Not connected' : 'Ended');
  explain(problem);
}

const TAKEN = {
  'conversation.item.added': ({ item }) => {
    if (item.type === 'message' && item.role !== 'system') transcript.item(item.id, item.role);
    for (const { type, text } of item.content ?? []) {
      if (type === 'input_text') transcript.add(item.id, item.role, text);
    }
  },
  'conversation.item.input_audio_transcription.delta': (event) => transcript.add(event.item_id, 'user', event.delta),
  'conversation.item.input_audio_transcription.completed': (event) => transcript.set(event.item_id, 'user', event.transcript),
  'response.output_audio_transcript.delta': (event) => transcript.add(event.item_id, 'assistant', event.delta),
  'response.output_text.delta': (event) => transcript.add(event.item_id, 'assistant', event.delta),
  'conversation.item.truncated': (event) => transcript.cut(event.item_id, event.audio_end_ms),
  'response.function_call_arguments.done': (event) => called(event),
  error: ({ error }) => explain(new Problem('error', error.message)),
};

function take(event) {
  log.add('in', event);
  turns.take(event);
  TAKEN[event.type]?.(event);
}

function called({ call_id: callId, name, arguments: given }) {
  const output = element('input', { name: 'output', ariaLabel: `Result of ${name}`, autocomplete: 'off' });
  const answer = element('form', {}, element('code', { textContent: `${name}(${given})` }), output,
    element('button', { textContent: 'Answer' }));
  answer.addEventListener('submit', (event) => {
    event.preventDefault();
    send({ type: 'conversation.item.create', item: { type: 'function_call_output', call_id: callId, output: output.value } });
    send({ type: 'response.create' });
    answer.remove();
  });
  by('calls').append(answer);
  output.focus();
}

async function written(event) {
  event.preventDefault();
  const text = compose.elements.text.value.trim();
  const [file] = compose.elements.image.files;
  if (!text && !file) return;
  if (file && file.size > MOST_IMAGE_BYTES && form.elements.transport.value === 'webrtc') {
    explain(new Problem('image'));
    return;
  }
  const content = text ? [{ type: 'input_text', text }] : [];
  const id = `item_${crypto.randomUUID().replaceAll('-', '').slice(0, 21)}`;
  if (file) {
    const url = await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(file);
    });
    content.push({ type: 'input_image', image_url: url });
    transcript.image(id, url);
  }
  send({ type: 'conversation.item.create', item: { id, type: 'message', role: 'user', content } });
  send({ type: 'response.create' });
  compose.reset();
}

function draw() {
  waves.in.draw(microphone);
  waves.out.draw(transport?.remote);
  setTimeout(() => requestAnimationFrame(draw), 50);
}

async function options() {
  const answer = await fetch('/playground/options');
  if (!answer.ok) {
    explain(new Problem('operator'));
    by('start').disabled = true;
    return;
  }
  const { models, voices } = await answer.json();
  form.elements.model.append(...models.map((name) => element('option', { value: name, textContent: name })));
  form.elements.voice.append(element('option', { value: '', textContent: 'the model’s own' }));
  form.elements.voice.append(...voices.map((name) => element('option', { value: name, textContent: name })));
}

form.addEventListener('submit', (event) => { event.preventDefault(); start(); });
compose.addEventListener('submit', written);
by('stop').addEventListener('click', () => end(null));
by('apply').addEventListener('click', () => {
  try {
    const { audio, ...rest } = session();
    explain(null);
    send({ type: 'session.update', session: { ...rest, audio: { input: audio.input } } });
  } catch (problem) {
    explain(problem);
  }
});
by('mute').addEventListener('click', ({ currentTarget: button }) => {
  const muted = button.getAttribute('aria-pressed') !== 'true';
  for (const track of stream?.getAudioTracks() ?? []) track.enabled = !muted;
  button.setAttribute('aria-pressed', String(muted));
});
by('copy').addEventListener('click', () => navigator.clipboard.writeText(log.text()));
by('clear').addEventListener('click', () => log.clear());
options();
draw();
