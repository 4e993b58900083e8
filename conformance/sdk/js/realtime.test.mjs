// The official JavaScript SDK over TLS (VOICEENGINE_URL, _KEY, _MODEL, NODE_EXTRA_CA_CERTS).
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
const question = fs.readFileSync(new URL('../../audio/what_time_is_it.wav', import.meta.url)).subarray(44);

function until(realtime, kind) {
  return new Promise((resolve, reject) => {
    const events = [];
    realtime.on('error', reject);
    realtime.on('event', (event) => {
      events.push(event);
      if (event.type === kind) resolve(events);
    });
  });
}

const opened = (realtime) => new Promise((resolve) => realtime.socket.on('open', resolve));

test('a client secret is minted and opens a session', { timeout: 30_000 }, async () => {
  const secret = await client.realtime.clientSecrets.create({
    session: { type: 'realtime', model, instructions: 'Be brief.' },
  });
  assert.match(secret.value, /^ek_/);
  const guest = client.withOptions({ apiKey: secret.value });
  const realtime = new OpenAIRealtimeWS({ model }, guest);
  const [created] = await until(realtime, 'session.created');
  assert.equal(created.session.instructions, 'Be brief.');
  realtime.close();
});

test('a spoken question gets a spoken answer', { timeout: 30_000 }, async () => {
  const realtime = new OpenAIRealtimeWS({ model }, client);
  const done = until(realtime, 'response.done');
  await opened(realtime);
  realtime.send({
    type: 'session.update',
    session: { type: 'realtime', audio: { input: { transcription: { model: 'gpt-4o-transcribe' } } } },
  });
  const audio = Buffer.concat([question, Buffer.alloc(24_000)]);
  for (let place = 0; place < audio.length; place += 4_800) {
    const piece = audio.subarray(place, place + 4_800).toString('base64');
    realtime.send({ type: 'input_audio_buffer.append', audio: piece });
  }
  const events = await done;
  const kinds = events.map((event) => event.type);
  assert.ok(kinds.includes('input_audio_buffer.speech_started'));
  assert.ok(kinds.includes('response.output_audio.delta'));
  const heard = events.find((event) => event.type.endsWith('transcription.completed'));
  assert.match(heard.transcript, /^\W*what time is it\W*$/i);
  assert.equal(events.at(-1).response.status, 'completed');
  realtime.close();
});

test('a wrong key is told as an error event', { timeout: 30_000 }, async () => {
  const wrong = client.withOptions({ apiKey: 'sk-wrong' });
  const realtime = new OpenAIRealtimeWS({ model }, wrong);
  const error = await new Promise((resolve) => realtime.on('error', resolve));
  assert.match(error.message, /invalid_api_key/);
  realtime.close();
});
