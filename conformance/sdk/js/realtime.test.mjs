// The official JavaScript SDK over TLS (VOICEENGINE_URL, _KEY, _MODEL, _CONTROL, NODE_EXTRA_CA_CERTS).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';

const client = new OpenAI({
  baseURL: process.env.VOICEENGINE_URL,
  apiKey: process.env.VOICEENGINE_KEY,
});
const model = process.env.VOICEENGINE_MODEL ?? 'gpt-realtime';
const timeout = 60_000;
const recording = fs.readFileSync(new URL('../../audio/what_time_is_it.wav', import.meta.url));
const question = recording.subarray(44);
const begunBytes = 300 * 48; // heard of an answer before it is interrupted
const long = 'one two three four five six seven eight nine ten '.repeat(8);
const tool = {
  type: 'function',
  name: 'forecast',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

class Talk {
  constructor(realtime) {
    this.realtime = realtime;
    this.events = [];
    this.waiting = undefined;
    this.failed = undefined;
    realtime.on('error', (error) => this.take({ type: 'error', error }));
    realtime.on('event', (event) => event.type !== 'error' && this.take(event));
  }

  take(event) {
    this.events.push(event);
    this.waiting?.();
  }

  // Returns the events up to and with the first of a type; an `error` before it fails.
  async until(kind) {
    for (;;) {
      const place = this.events.findIndex(({ type }) => type === kind || type === 'error');
      if (place >= 0) {
        const events = this.events.splice(0, place + 1);
        if (kind !== 'error' && events.at(-1).type === 'error') throw events.at(-1).error;
        return events;
      }
      await new Promise((resolve) => {
        this.waiting = resolve;
      });
    }
  }

  async last(kind) {
    return (await this.until(kind)).at(-1);
  }

  send(type, fields = {}) {
    this.realtime.send({ type, ...fields });
  }

  update(session) {
    this.send('session.update', { session: { type: 'realtime', ...session } });
  }

  say(text) {
    const content = [{ type: 'input_text', text }];
    this.send('conversation.item.create', { item: { type: 'message', role: 'user', content } });
  }

  speak(silenceMs = 1_000) {
    const audio = Buffer.concat([question, Buffer.alloc(silenceMs * 48)]);
    for (let place = 0; place < audio.length; place += 4_800) {
      const piece = audio.subarray(place, place + 4_800).toString('base64');
      this.send('input_audio_buffer.append', { audio: piece });
    }
  }
}

async function talk({ as = client, ...props } = {}) {
  const here = new Talk(new OpenAIRealtimeWS({ model, ...props }, as));
  return Object.assign(here, { created: await here.last('session.created') });
}

test('a client secret is minted and opens a session', { timeout }, async () => {
  const secret = await client.realtime.clientSecrets.create({
    session: { type: 'realtime', model, instructions: 'Be brief.' },
  });
  assert.match(secret.value, /^ek_/);
  const here = await talk({ as: client.withOptions({ apiKey: secret.value }) });
  assert.equal(here.created.session.instructions, 'Be brief.');
  here.realtime.close();
});

test('a bad session is refused by REST', { timeout }, async () => {
  const session = { type: 'realtime', max_output_tokens: 0 };
  await assert.rejects(client.realtime.clientSecrets.create({ session }), (error) => {
    assert.deepEqual([error.status, error.param], [400, 'session.max_output_tokens']);
    return true;
  });
});

test('a written question gets a written answer', { timeout }, async () => {
  const here = await talk();
  here.update({ output_modalities: ['text'] });
  here.say('what time is it');
  here.send('response.create');
  const events = await here.until('response.done');
  const text = events.filter(({ type }) => type === 'response.output_text.delta');
  const [item] = events.at(-1).response.output;
  assert.equal(text.map(({ delta }) => delta).join(''), item.content[0].text);
  here.realtime.close();
});

test('a spoken question gets a spoken answer', { timeout }, async () => {
  const here = await talk();
  here.update({ audio: { input: { transcription: { model: 'gpt-4o-transcribe' } } } });
  here.speak();
  const events = await here.until('response.done');
  const kinds = events.map(({ type }) => type);
  assert.ok(kinds.includes('input_audio_buffer.speech_started'));
  assert.ok(kinds.includes('response.output_audio.delta'));
  const transcribed = 'conversation.item.input_audio_transcription.completed';
  const heard = events.find(({ type }) => type === transcribed) ?? (await here.last(transcribed));
  assert.match(heard.transcript, /^\W*what time is it\W*$/i);
  assert.equal(events.at(-1).response.status, 'completed');
  here.realtime.close();
});

test('push to talk waits for the application', { timeout }, async () => {
  const here = await talk();
  here.update({ audio: { input: { turn_detection: null } } });
  here.speak(0);
  here.send('input_audio_buffer.clear');
  here.speak(0);
  here.send('input_audio_buffer.commit');
  await here.until('input_audio_buffer.committed');
  here.send('response.create');
  assert.equal((await here.last('response.done')).response.status, 'completed');
  here.realtime.close();
});

test('a function is called and its output spoken', { timeout }, async () => {
  const here = await talk();
  here.update({ tools: [tool], tool_choice: 'required' });
  here.say('weather in Bern');
  here.send('response.create');
  const [call] = (await here.last('response.done')).response.output;
  assert.ok(JSON.parse(call.arguments).city);
  const output = 'The weather in Bern: sunny all day.';
  here.send('conversation.item.create', {
    item: { type: 'function_call_output', call_id: call.call_id, output },
  });
  here.send('response.create');
  const [spoken] = (await here.last('response.done')).response.output;
  assert.match(spoken.content[0].transcript, /sunny/i);
  here.realtime.close();
});

async function longAnswer(here) {
  here.say(`Read aloud, word by word: ${long}`);
  const call = { type: 'function_call', call_id: 'call_much', name: 'count', arguments: '{}' };
  here.send('conversation.item.create', { item: call });
  here.send('conversation.item.create', {
    item: { type: 'function_call_output', call_id: 'call_much', output: long },
  });
  here.send('response.create');
  let delta;
  for (let heard = 0; heard < begunBytes; heard += Buffer.from(delta.delta, 'base64').length) {
    delta = await here.last('response.output_audio.delta');
  }
  return delta.item_id;
}

test('speech interrupts the answer', { timeout }, async () => {
  const here = await talk();
  const itemId = await longAnswer(here);
  here.speak();
  await here.until('input_audio_buffer.speech_started');
  const { response } = await here.last('response.done');
  assert.equal(response.status_details.reason, 'turn_detected');
  const cut = { item_id: itemId, content_index: 0, audio_end_ms: 100 };
  here.send('conversation.item.truncate', cut);
  await here.until('conversation.item.truncated');
  here.send('conversation.item.retrieve', { item_id: itemId });
  await here.until('conversation.item.retrieved');
  here.realtime.close();
});

test('the application cancels the answer and deletes it', { timeout }, async () => {
  const here = await talk();
  const itemId = await longAnswer(here);
  here.send('response.cancel');
  assert.equal((await here.last('response.done')).response.status, 'cancelled');
  here.send('conversation.item.delete', { item_id: itemId });
  await here.until('conversation.item.deleted');
  here.realtime.close();
});

test('settings change within the session', { timeout }, async () => {
  const here = await talk();
  here.update({ instructions: 'Be brief.', max_output_tokens: 400 });
  await here.until('session.updated');
  here.update({ tool_choice: 'none' });
  const { session } = await here.last('session.updated');
  const kept = [session.instructions, session.max_output_tokens, session.tool_choice];
  assert.deepEqual(kept, ['Be brief.', 400, 'none']);
  here.realtime.close();
});

test('a dropped socket is connected again', { timeout }, async () => {
  const here = await talk({ reconnect: true, reconnectInitialDelay: 100 });
  const dropped = await fetch(`${process.env.VOICEENGINE_CONTROL}/drop`, { method: 'POST' });
  assert.ok(Number(await dropped.text()) > 0);
  const { session } = await here.last('session.created');
  assert.notEqual(session.id, here.created.session.id);
  here.say('what time is it');
  here.send('response.create');
  assert.equal((await here.last('response.done')).response.status, 'completed');
  here.realtime.close();
});

test('a refused event is told, and the session goes on', { timeout }, async () => {
  const here = await talk();
  here.send('response.cancel', { event_id: 'mine' });
  assert.match((await here.last('error')).error.message, /response_cancel_not_active.*mine/);
  here.send('input_audio_buffer.clear');
  await here.until('input_audio_buffer.cleared');
  here.realtime.close();
});

test('a wrong key is told as an error event', { timeout }, async () => {
  const wrong = client.withOptions({ apiKey: 'sk-wrong' });
  const realtime = new OpenAIRealtimeWS({ model }, wrong);
  const error = await new Promise((resolve) => realtime.on('error', resolve));
  assert.match(error.message, /invalid_api_key/);
  realtime.close();
});
