// WebSocket and EventSource where a runtime has none of the platform's event classes, as React Native had for long, and
// where its URL is as poor as React Native's: a program that takes away what is missing before it loads the client.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { stage } from '@mte-relay/testing/stage';
import { expect, test } from 'vitest';
import { WebSocketServer } from 'ws';

const PROGRAM = `
  const bare = process.env.BARE === '1';
  const { WebSocket } = await import('ws'); // Node's own needs the classes that go now
  void [fetch, Response];
  for (const name of ['EventTarget', 'Event', 'MessageEvent', 'CloseEvent', 'ErrorEvent', 'DOMException']) delete globalThis[name];
  if (bare) {
    // React Native's resolves nothing, has no canParse, and almost nothing of it can be set.
    globalThis.URL = class extends URL {
      static canParse = undefined;
      get protocol() { return super.protocol; }
    };
    delete globalThis.TextDecoder;
  }
  const { toWellFormed } = String.prototype; // of which Node's fetch makes use
  const { createRelayClient } = await import('@mte-relay/client');
  const client = createRelayClient(process.env.RELAY, { pins: [process.env.PIN], WebSocket, fetch });
  const socket = new client.WebSocket('/');
  let calls = 0;
  const twice = () => { calls += 1; };
  socket.addEventListener('open', twice);
  socket.addEventListener('open', twice);
  socket.addEventListener('message', { handleEvent: ({ type }) => console.log('object', type) }, { once: true });
  socket.addEventListener('message', () => { throw new Error('of a listener'); });
  const removed = () => console.log('never');
  socket.addEventListener('message', removed);
  socket.removeEventListener('message', removed);
  socket.onopen = function (event) { console.log(this === socket, event.target === socket, calls); socket.send('h\u00ef'); };
  socket.onmessage = ({ data, origin }) => { console.log(data, origin === process.env.RELAY.replace('http', 'ws'));
    if (bare) delete String.prototype.toWellFormed;
    socket.close(3000, 'end');
    String.prototype.toWellFormed = toWellFormed;
  };
  await new Promise((resolve) => { socket.onclose = ({ code, reason, wasClean }) => { console.log(code, reason, wasClean); resolve(); }; });
  try { socket.close(1); } catch (error) { console.log(error.name); }
  const source = new client.EventSource('/');
  source.onerror = ({ error }) => console.error(error);
  await new Promise((resolve) => source.addEventListener('tick', ({ data, lastEventId }) => { console.log(data, lastEventId); resolve(); }));
  source.close();
  client.close();
`;

test.each([
  ['in Node', []],
  ['as React Native resolves the package', ['--conditions=react-native']],
])('they work the same, and a listener that throws stops no other: %s', async (_, conditions) => {
  const { upstream, url, pin } = await stage((_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.end('event: tick\nid: 7\ndata: now\n\n'); // where there are no streams, it comes when it has ended
  });
  new WebSocketServer({ server: upstream }).on('connection', (ws) => ws.on('message', (data) => ws.send(`${data}!`)));
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [...conditions, '--input-type=module', '--eval', PROGRAM],
    {
      env: { ...process.env, RELAY: url, PIN: pin, BARE: `${conditions.length}` },
      cwd: import.meta.dirname,
      timeout: 25_000,
    },
  );
  expect(stdout.trim().split('\n')).toEqual([
    'true true 1',
    'object message',
    'hï! true',
    '3000 end true',
    'InvalidAccessError',
    'now 7',
  ]);
  expect(stderr).toContain('of a listener');
});
