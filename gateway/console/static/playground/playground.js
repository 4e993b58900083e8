// The page: what is chosen becomes a talk, its events become views, and what breaks is explained or mended.
import { Composer } from './composer.js';
import { EventLog } from './log.js';
import { Problem } from './problems.js';
import { Settings } from './settings.js';
import { Talk } from './talk.js';
import { Turns } from './turns.js';
import { Transcript, Wave } from './views.js';

const TRIES = 3;
const AGAIN_MS = 1000;
const FRAME_MS = matchMedia('(prefers-reduced-motion: reduce)').matches ? 500 : 50;
const NARROW = matchMedia('(max-width: 60rem)');
const SILENT = new Set(['denied', 'absent', 'busy', 'insecure']);
const by = (id) => document.getElementById(id);

const settings = new Settings(by('settings'));
const log = new EventLog(by('log'), by('filter'), by('deltas'));
const transcript = new Transcript(by('transcript'));
const turns = new Turns(by('turns'));
const waves = { you: new Wave(by('wave-in')), agent: new Wave(by('wave-out')) };
const composer = new Composer({ form: by('compose'), calls: by('calls'), picked: by('picked'), settings, transcript, send, explain, tell, asked: () => turns.asked() });

let talk = null;
let applying = false;
let remedy = () => {};

function show(state, text) {
  const open = state === 'live' || state === 'connecting';
  const held = document.activeElement;
  by('state').dataset.state = state;
  by('state').textContent = text;
  by('start').disabled = by('before').disabled = open;
  by('stop').disabled = !open;
  for (const id of ['apply', 'mute']) by(id).disabled = state !== 'live';
  composer.enable(state === 'live');
  by('call').textContent = talk?.callId ?? '';
  by('call').hidden = !(state === 'live' && talk?.callId);
  // The button that was pressed goes out: the keyboard stays beside it.
  if (held.matches(':disabled')) by(open ? 'stop' : 'start').focus();
}

function tell(text) { by('told').textContent = text; }

function explain(problem, label, act) {
  by('problem').hidden = !problem;
  by('problem').textContent = problem?.message ?? '';
  by('remedy').hidden = !label;
  by('remedy').textContent = label ?? '';
  remedy = act ?? (() => {});
}

function send(event) {
  talk?.send(event);
  log.add('out', event);
}

async function start({ silent = false, carried = [] } = {}) {
  end();
  explain(null);
  const mine = new Talk(settings, by('voice'));
  talk = mine;
  mine.onevent = take;
  mine.onlost = (problem) => { lost(mine, problem, silent); };
  mine.onweak = (weak) => show('live', weak ? 'Connected, but nothing comes through…' : 'Connected');
  if (!carried.length) transcript.clear();
  turns.begin();
  mute(false);
  show('connecting', 'Connecting…');
  try {
    settings.session();
    await mine.listen(silent);
    await mine.connect();
    begun(carried, 'Connected');
    if (NARROW.matches) by('talk').scrollIntoView();
  } catch (error) {
    if (talk === mine) failed(Problem.from(error), silent);
  }
}

function begun(carried, text) {
  explain(null);
  transcript.carry(carried);
  for (const item of carried) send({ type: 'conversation.item.create', item });
  mute(by('mute').getAttribute('aria-pressed') === 'true');
  show('live', text);
}

// A broken call cannot be mended (there is no second offer): a new one is told what was said.
async function lost(mine, problem, silent) {
  composer.forget();
  if (problem.kind === 'ended') {
    failed(problem, silent);
    return;
  }
  let last = problem;
  for (let attempt = 1; attempt <= TRIES && talk === mine; attempt += 1) {
    show('connecting', `Connection lost, trying again (${attempt} of ${TRIES})…`);
    try {
      const carried = transcript.said();
      await mine.connect();
      begun(carried, 'Connected again');
      return;
    } catch (error) {
      last = Problem.from(error);
      if (last.kind === 'operator') break;
      await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS * attempt); });
    }
  }
  if (talk === mine) failed(last, silent);
}

function failed(problem, silent) {
  end();
  show('failed', 'Not connected');
  if (SILENT.has(problem.kind)) {
    explain(problem, 'Start without a microphone', () => start({ silent: true }));
  } else if (problem.kind !== 'operator' && !transcript.empty) {
    explain(problem, 'Carry on in a new call', () => start({ silent, carried: transcript.said() }));
  } else {
    explain(problem);
  }
}

function end() {
  applying = false;
  talk?.close();
  talk = null;
  composer.forget();
}

function mute(muted) {
  talk?.mute(muted);
  by('mute').setAttribute('aria-pressed', String(muted));
}

const TAKEN = {
  'conversation.item.added': ({ item }) => transcript.added(item),
  'conversation.item.input_audio_transcription.delta': (event) => transcript.add(event.item_id, 'user', event.delta),
  'conversation.item.input_audio_transcription.completed': (event) => transcript.set(event.item_id, 'user', event.transcript),
  'response.output_audio_transcript.delta': (event) => transcript.add(event.item_id, 'assistant', event.delta),
  'response.output_text.delta': (event) => transcript.add(event.item_id, 'assistant', event.delta),
  'conversation.item.truncated': (event) => transcript.cut(event.item_id, event.audio_end_ms),
  'response.output_item.done': ({ item }) => { if (item.type === 'function_call') composer.called(item); },
  'response.done': ({ response }) => {
    const { error } = response.status_details ?? {};
    if (response.status === 'failed') explain(new Problem('response', error?.message ?? 'The answer failed.'));
  },
  'session.updated': () => {
    if (applying) transcript.note('New instructions and tools from here on.');
    applying = false;
  },
  error: ({ error }) => {
    applying = false;
    explain(new Problem('error', error.message));
  },
};

function take(event) {
  log.add('in', event);
  turns.take(event);
  TAKEN[event.type]?.(event);
}

function draw() {
  const you = waves.you.draw(talk?.local);
  turns.sounds(you, waves.agent.draw(talk?.remote));
  setTimeout(() => requestAnimationFrame(draw), FRAME_MS);
}

async function copy() {
  const { length } = log.shown();
  try {
    await navigator.clipboard.writeText(log.text());
    tell(`${length} events copied.`);
    by('copy').textContent = 'Copied';
    setTimeout(() => { by('copy').textContent = 'Copy'; }, 2000);
  } catch {
    explain(new Problem('copy'));
  }
}

by('settings').addEventListener('submit', (event) => { event.preventDefault(); start(); });
by('remedy').addEventListener('click', () => remedy());
by('stop').addEventListener('click', () => { end(); show('idle', 'Ended'); });
by('mute').addEventListener('click', () => mute(by('mute').getAttribute('aria-pressed') !== 'true'));
by('apply').addEventListener('click', () => {
  try {
    explain(null);
    send({ type: 'session.update', session: settings.changeable() });
    applying = true;
  } catch (problem) {
    explain(problem);
  }
});
by('copy').addEventListener('click', copy);
by('clear').addEventListener('click', () => log.clear());
settings.load().catch((problem) => {
  explain(problem);
  by('start').disabled = true;
});
draw();
