// Makes conformance/vectors and the worked example of docs/SPEC.md §11 from the twin: `node conformance/generate.ts`.
// Everything is fixed, so a second run changes nothing; conformance.test.ts checks that it would not.
import { readFileSync, writeFileSync } from 'node:fs';
import { bhttpCases, bhttpRefused } from './cases/bhttp.ts';
import { clientCallCases } from './cases/client-calls.ts';
import { cookieVectors } from './cases/cookies.ts';
import { messagesRefused, messageVectors } from './cases/messages.ts';
import { identityVectors, pairingCases, pairingRefused } from './cases/pairing.ts';
import { relayStateCases } from './cases/relay-states.ts';
import { windowCases } from './cases/replay-window.ts';
import { lineageCases, sentTimeCases, sessionCases } from './cases/sessions.ts';
import { webSocketRefused, webSocketVectors } from './cases/websocket.ts';
import { BOUNDS } from './twin/client.ts';
import { AGE_MAX_MS, IDLE_MS, LIFETIME_MS, MESSAGE_LIMIT } from './twin/relay.ts';
import { replaceExample, workedExample } from './worked-example.ts';

/** Everything generated: contents by path below conformance/vectors, and the example. */
export function generate(): { files: Map<string, string>; example: string } {
  const identity = identityVectors();
  const pairing = pairingCases();
  const messages = messageVectors(pairing);
  const files = new Map<string, string>();
  const put = (name: string, spec: string, content: object) =>
    files.set(`${name}.json`, `${JSON.stringify({ spec, ...content }, null, 1)}\n`);
  put('identity', '§3.1, §3.5', identity);
  put('pairing', '§3, §4', { cases: pairing });
  put('pairing-refused', '§3', { cases: pairingRefused(pairing) });
  put('messages', '§5.1 to §5.4, §7', messages);
  put('messages-refused', '§5.1 to §5.4, §7', messagesRefused(messages));
  put('bhttp', '§5.5', { cases: bhttpCases() });
  put('bhttp-refused', '§5.5', { cases: bhttpRefused() });
  put('replay-window', '§6', { cases: windowCases() });
  const webSockets = webSocketVectors(pairing);
  put('websocket', '§13.2 to §13.4', webSockets);
  put('websocket-refused', '§13.2 to §13.4', webSocketRefused(webSockets));
  put('cookies', '§9.4', cookieVectors());
  const states = (name: string, content: object) => files.set(`${name}.json`, linePerCase(content));
  const relayParameters = {
    lifetimeMs: LIFETIME_MS,
    idleMs: IDLE_MS,
    messageLimit: MESSAGE_LIMIT,
    messageAgeMaxMs: AGE_MAX_MS,
  };
  states('relay-states', { spec: '§6, §7, §8', parameters: relayParameters, cases: relayStateCases() });
  states('client-calls', { spec: '§7', bounds: BOUNDS, cases: clientCallCases() });
  states('client-sessions', {
    spec: '§6, §7',
    sessions: sessionCases(),
    lineages: lineageCases(),
    sentTimes: sentTimeCases(),
  });
  return { files, example: workedExample(pairing, messages) };
}

/** JSON with each element of a list on a line of its own: these files are many small cases. */
function linePerCase(content: object): string {
  const members = Object.entries(content).map(([key, value]) => {
    const text = Array.isArray(value)
      ? `[\n${value.map((one) => JSON.stringify(one)).join(',\n')}\n]`
      : JSON.stringify(value);
    return `${JSON.stringify(key)}: ${text}`;
  });
  return `{\n${members.join(',\n')}\n}\n`;
}

if (import.meta.main) {
  const { files, example } = generate();
  for (const [name, content] of files) writeFileSync(new URL(`vectors/${name}`, import.meta.url), content);
  const spec = new URL('../docs/SPEC.md', import.meta.url);
  writeFileSync(spec, replaceExample(readFileSync(spec, 'utf8'), example));
}
