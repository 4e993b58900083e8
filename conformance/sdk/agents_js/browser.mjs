// As a browser does it: the credential in a subprotocol, an ephemeral key, the platform's WebSocket.
// Run with `--conditions=browser --experimental-websocket`; prints what the agent said.
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession } from '@openai/agents-realtime';

const { VOICEENGINE_URL: base, EPHEMERAL_KEY: apiKey, VOICEENGINE_MODEL: model } = process.env;
const url = `${base.replace(/^http/, 'ws')}/realtime?model=${model}`;
const session = new RealtimeSession(new RealtimeAgent({ name: 'guide' }), {
  transport: new OpenAIRealtimeWebSocket({ url }),
  model,
});
session.on('error', ({ error }) => {
  console.error(error);
  process.exit(1);
});
session.on('agent_end', (_context, _agent, text) => {
  console.log(text);
  session.close();
});
await session.connect({ apiKey });
session.sendMessage('what time is it');
