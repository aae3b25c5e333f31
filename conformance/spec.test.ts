// The tables and the worked example of docs/SPEC.md, against the code and the generator.
import { readFileSync } from 'node:fs';
import * as protocol from '@mte-relay/protocol';
import { INNER_FAILURE, INNER_FAILURE_FIELD, OUTER_STATUS } from '@mte-relay/protocol';
import { expect, it } from 'vitest';
import { generate } from './generate.ts';
import { exampleIn } from './worked-example.ts';

const spec = readFileSync(new URL('../docs/SPEC.md', import.meta.url), 'utf8');

/** Body cells of the first table behind this heading or text whose header row starts with `header`. */
function table(behind: string, header: string): string[][] {
  const lines = spec.slice(spec.indexOf(behind)).split('\n');
  const start = lines.findIndex((line) => line.split('|')[1]?.trim() === header);
  const rows = lines.slice(start, lines.indexOf('', start));
  return rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

it('has the worked example that the generator makes', () => {
  expect(exampleIn(spec)).toBe(generate().example);
});

it('lists the outer codes with their statuses (§8.1)', () => {
  const rows = table('### 8.1', 'code').map(([code, status]) => [code, Number(status)]);
  expect(Object.fromEntries(rows)).toEqual(OUTER_STATUS);
  expect(rows).toHaveLength(Object.keys(OUTER_STATUS).length);
});

it('lists the inner failures (§8.2)', () => {
  const rows = table('### 8.2', 'code').map(([code, status, upstreamSaw]) => [
    code,
    { status: Number(status), upstreamSaw },
  ]);
  expect(Object.fromEntries(rows)).toEqual(INNER_FAILURE);
  expect(rows).toHaveLength(Object.keys(INNER_FAILURE).length);
  expect(spec).toContain(`\`${INNER_FAILURE_FIELD}: <code>\``);
});

it('lists the failure classes (§8)', () => {
  const classes = {
    malformed: '',
    truncated: '',
    unopenable: '',
    'too-large': '',
    'version-unsupported': '',
    'suite-unsupported': '',
    'key-unknown': '',
    'pin-mismatch': '',
    misuse: '',
  } satisfies Record<protocol.ProtocolErrorCode, ''>;
  const rows = table('## 8. Failures', 'failure class');
  expect(rows.map(([name]) => name).sort()).toEqual(Object.keys(classes).sort());
  const outer = rows.map(([, , code]) => code).filter((code) => code !== '');
  expect(Object.keys(OUTER_STATUS)).toEqual(expect.arrayContaining(outer));
});

it('gives the constants (§2)', () => {
  expect(Object.fromEntries(table('## 2.', 'constant'))).toEqual({
    'protocol label': protocol.PROTOCOL_LABEL,
    version: `${protocol.PROTOCOL_VERSION}`,
    'suite id': `${protocol.SUITE_ID}`,
    'key id bytes': `${protocol.KEY_ID_BYTES}`,
    'KEM public key bytes': `${protocol.KEM_PUBLIC_KEY_BYTES}`,
    'KEM ciphertext bytes': `${protocol.KEM_CIPHERTEXT_BYTES}`,
    'session id bytes': `${protocol.SESSION_ID_BYTES}`,
    'message header bytes': `${protocol.MESSAGE_HEADER_BYTES}`,
    'message type: exchange': `${protocol.MESSAGE_TYPE_EXCHANGE}`,
    'message type: cancel': `${protocol.MESSAGE_TYPE_CANCEL}`,
    'message type: WebSocket': `${protocol.MESSAGE_TYPE_WEBSOCKET}`,
    'flag: cookie records': `${protocol.FLAG_COOKIE_RECORDS}`,
    'flag: https': `${protocol.FLAG_HTTPS}`,
    'most cookie records of one request': `${protocol.COOKIE_RECORDS_MAX}`,
    'most characters of cookie records': `${protocol.COOKIE_RECORDS_MAX_CHARACTERS}`,
    'largest chunk plaintext, bytes': `${protocol.CHUNK_PLAINTEXT_MAX_BYTES}`,
    'most chunks of one message': `${protocol.CHUNK_COUNT_MAX}`,
    'largest WebSocket frame data': `${protocol.WEBSOCKET_FRAME_DATA_MAX_BYTES}`,
    'most WebSocket frames each way': `${protocol.WEBSOCKET_FRAME_COUNT_MAX}`,
    'replay window, messages': `${protocol.REPLAY_WINDOW}`,
    'most messages in flight': `${protocol.IN_FLIGHT_MAX}`,
    'longest authority, bytes': `${protocol.AUTHORITY_MAX_BYTES}`,
    'head limit, bytes': `${protocol.HEAD_MAX_BYTES}`,
    'field limit per section': `${protocol.FIELD_COUNT_MAX}`,
  });
});

it('names the endpoints and content types (§9)', () => {
  expect(spec).toContain(`\`GET\` or \`HEAD ${protocol.PATH_DISCOVERY}\``);
  expect(spec).toContain(`\`POST ${protocol.PATH_PAIR}\`, \`content-type: ${protocol.CONTENT_TYPE_PAIRING}\``);
  expect(spec).toContain(`\`POST ${protocol.PATH_EXCHANGE}\`, \`content-type: ${protocol.CONTENT_TYPE_MESSAGE}\``);
  expect(spec).toContain(`"endpoints":{"pair":"${protocol.PATH_PAIR}","exchange":"${protocol.PATH_EXCHANGE}"}`);
  expect(spec).toContain(`\`${protocol.NOISE_PROTOCOL_NAME}\``);
  expect(spec).toContain(`\`GET ${protocol.PATH_WEBSOCKET}\`, version 13, with \`${protocol.WEBSOCKET_SUBPROTOCOL}\``);
});
