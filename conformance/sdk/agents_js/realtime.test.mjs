// The Agents SDK for JavaScript, unmodified (VOICEENGINE_URL, _KEY, _MODEL, _CONTROL).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import test from 'node:test';
import { promisify } from 'node:util';
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession } from '@openai/agents-realtime';
import { tool } from '@openai/agents-core';
import { z } from 'zod';

const { VOICEENGINE_URL: base, VOICEENGINE_KEY: key, VOICEENGINE_CONTROL: control } = process.env;
const model = process.env.VOICEENGINE_MODEL ?? 'gpt-realtime';
const timeout = 60_000;
const url = `${base.replace(/^http/, 'ws')}/realtime?model=${model}`;
const weather = 'The weather in Bern: sunny all day.';
const long = 'one two three four five six seven eight nine ten '.repeat(8);
const recording = fs.readFileSync(new URL('../../audio/what_time_is_it.wav', import.meta.url));
const question = Buffer.concat([recording.subarray(44), Buffer.alloc(48_000)]);
const image = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';
const pieceBytes = 4_800;

const forecast = tool({
  name: 'forecast',
  description: 'Tell the weather of a city.',
  parameters: z.object({ city: z.string() }),
  execute: async () => weather,
});
const count = tool({
  name: 'count',
  description: 'Count for long.',
  parameters: z.object({}),
  execute: async () => long,
});

class Talk {
  constructor(session) {
    this.session = session;
    this.seen = [];
    this.waiting = [];
    const names = [
      'agent_start', 'agent_end', 'agent_tool_start', 'agent_tool_end', 'audio', 'audio_interrupted',
      'history_updated', 'error',
    ];
    for (const name of names) session.on(name, (...args) => this.note(name, args));
    session.transport.on('*', (event) => this.note(`server ${event.type}`, [event]));
    session.transport.on('connection_change', (state) => this.note(`connection ${state}`, []));
  }

  note(name, args) {
    this.seen.push({ name, args });
    for (const look of [...this.waiting]) look();
  }

  // Resolves with the arguments of the next event of a name; an `error` before it rejects.
  until(name, { from = this.seen.length, allowError = false, where = () => true } = {}) {
    return new Promise((resolve, reject) => {
      let place = from;
      const look = () => {
        for (; place < this.seen.length; place += 1) {
          const event = this.seen[place];
          const wrong = event.name === 'error' && !allowError;
          if (!wrong && !(event.name === name && where(...event.args))) continue;
          this.waiting = this.waiting.filter((other) => other !== look);
          if (wrong) reject(new Error(JSON.stringify(event.args)));
          else resolve(event.args);
          return;
        }
      };
      this.waiting.push(look);
      look();
    });
  }

  speak(audio = question, options = {}) {
    for (let place = 0; place < audio.length; place += pieceBytes) {
      const piece = audio.subarray(place, place + pieceBytes);
      const bytes = piece.buffer.slice(piece.byteOffset, piece.byteOffset + piece.length);
      this.session.sendAudio(bytes, place + pieceBytes >= audio.length ? options : {});
    }
  }
}

async function talk({ agent, tools = [], config = {}, apiKey = key } = {}) {
  agent ??= new RealtimeAgent({ name: 'guide', instructions: 'Be brief.', tools });
  const transport = new OpenAIRealtimeWebSocket({ url });
  const session = new RealtimeSession(agent, { transport, model, config });
  const here = new Talk(session);
  const updated = here.until('server session.updated', { allowError: true });
  await session.connect({ apiKey });
  return Object.assign(here, { updated });
}

test('a written question gets a spoken answer', { timeout }, async () => {
  const here = await talk();
  const heard = here.until('audio');
  const ended = here.until('agent_end');
  here.session.sendMessage('what time is it');
  assert.ok((await heard)[0].data.byteLength > 0);
  assert.ok((await ended)[2].length > 0);
  here.session.close();
});

test('a written question gets a written answer', { timeout }, async () => {
  const here = await talk({ config: { outputModalities: ['text'] } });
  const ended = here.until('agent_end');
  here.session.sendMessage('what time is it');
  assert.ok((await ended)[2].length > 0);
  assert.ok(!here.seen.some(({ name }) => name === 'audio'));
  here.session.close();
});

test('a spoken question is heard, retrieved and answered', { timeout }, async () => {
  const here = await talk();
  const retrieved = here.until('server conversation.item.retrieved');
  const ended = here.until('agent_end');
  here.speak();
  await Promise.all([retrieved, ended]);
  const user = here.session.history.find((item) => item.role === 'user');
  assert.match(user.content[0].transcript, /^\W*what time is it\W*$/i);
  here.session.close();
});

test('a tool is run and its output spoken', { timeout }, async () => {
  const here = await talk({ tools: [forecast], config: { toolChoice: 'required' } });
  const ended = here.until('agent_tool_end');
  const said = here.until('agent_end', { where: (_context, _agent, text) => /sunny/i.test(text) });
  here.session.sendMessage('weather in Bern');
  assert.equal((await ended)[3], weather);
  await said;
  here.session.close();
});

test('speech interrupts the answer', { timeout }, async () => {
  const here = await talk({
    tools: [count],
    config: {
      toolChoice: 'required',
      audio: { input: { turnDetection: { type: 'server_vad', interruptResponse: true } } },
    },
  });
  const heard = here.until('audio');
  here.session.sendMessage('count');
  await heard;
  const interrupted = here.until('audio_interrupted');
  const truncated = here.until('server conversation.item.truncated');
  const again = here.until('agent_tool_end');
  here.speak();
  await Promise.all([interrupted, truncated, again]);
  here.session.close();
});

test('the application interrupts the answer', { timeout }, async () => {
  const here = await talk({ tools: [count], config: { toolChoice: 'required' } });
  const heard = here.until('audio');
  here.session.sendMessage('count');
  await heard;
  const done = here.until('server response.done');
  here.session.interrupt();
  assert.equal((await done)[0].response.status, 'cancelled');
  here.session.close();
});

test('settings change within the session', { timeout }, async () => {
  const here = await talk();
  const ended = here.until('agent_end');
  here.session.sendMessage('what time is it');
  await ended;
  const other = here.until('server session.updated');
  await here.session.updateAgent(new RealtimeAgent({ name: 'other', instructions: 'Be formal.' }));
  assert.equal((await other)[0].session.instructions, 'Be formal.');
  const updated = here.until('server session.updated');
  here.session.transport.updateSessionConfig({ audio: { input: { turnDetection: null } } });
  assert.equal((await updated)[0].session.audio.input.turn_detection, null);
  const committed = here.until('server input_audio_buffer.committed');
  here.speak(question, { commit: true });
  await committed;
  here.session.close();
});

test('an agent hands over to another', { timeout }, async () => {
  // With a tool of its own: `required` without any would fail (CONTRACT 8.5).
  const other = new RealtimeAgent({ name: 'other', instructions: 'Be formal.', tools: [forecast] });
  const agent = new RealtimeAgent({ name: 'guide', handoffs: [other] });
  const here = await talk({ agent, config: { toolChoice: 'required' } });
  const updated = here.until('server session.updated', {
    where: ({ session }) => session.instructions === 'Be formal.',
  });
  const heard = here.until('audio');
  here.session.sendMessage('let me speak to somebody else');
  assert.deepEqual((await updated)[0].session.tools.map(({ name }) => name), ['forecast']);
  await heard;
  here.session.close();
});

test('an image is taken into the conversation', { timeout }, async () => {
  const here = await talk();
  const ended = here.until('agent_end');
  const added = here.until('server conversation.item.added');
  here.session.addImage(image);
  assert.equal((await added)[0].item.content[0].image_url, image);
  await ended;
  here.session.close();
});

test('the history is edited on the server', { timeout }, async () => {
  const here = await talk();
  const ended = here.until('agent_end');
  here.session.sendMessage('what time is it');
  await ended;
  const item = {
    itemId: 'item_put_first', type: 'message', role: 'system',
    content: [{ type: 'input_text', text: 'before all' }],
  };
  const added = here.until('server conversation.item.added');
  const deleted = here.until('server conversation.item.deleted');
  const [first] = here.session.history;
  here.session.updateHistory((history) => [item, ...history.filter((one) => one !== first)]);
  assert.equal((await added)[0].previous_item_id, null);
  assert.equal((await deleted)[0].item_id, first.itemId);
  here.session.close();
});

test('a dropped socket is told, and the session connects again', { timeout }, async () => {
  const here = await talk();
  const gone = here.until('connection disconnected', { allowError: true });
  assert.ok(Number(await (await fetch(`${control}/drop`, { method: 'POST' })).text()) > 0);
  await gone;
  await here.session.connect({ apiKey: key });
  const ended = here.until('agent_end');
  here.session.sendMessage('what time is it');
  assert.ok((await ended)[2].length > 0);
  here.session.close();
});

test('a wrong key is told as an error event', { timeout }, async () => {
  const here = await talk({ apiKey: 'sk-wrong' });
  const [{ error }] = await here.until('error', { from: 0, allowError: true });
  assert.equal(error.error.code, 'invalid_api_key');
});

test('a browser converses with an ephemeral key in a subprotocol', { timeout }, async () => {
  const answer = await fetch(`${base}/realtime/client_secrets`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ session: { type: 'realtime', model } }),
  });
  const { value } = await answer.json();
  const file = new URL('browser.mjs', import.meta.url).pathname;
  const flags = ['--conditions=browser', '--experimental-websocket', file];
  const env = { ...process.env, EPHEMERAL_KEY: value, VOICEENGINE_MODEL: model };
  const { stdout } = await promisify(execFile)(process.execPath, flags, { env });
  assert.match(stdout, /\w/);
});
