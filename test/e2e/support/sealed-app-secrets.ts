// The texts typed into the app of examples/service-worker-app, and the search for it in a capture of the wire.
import { expect } from 'vitest';

export const PASSWORD = 'only-the-api-reads-this';
export const NOTE = 'Otter tracks below the sluice, very fresh';
export const SUBJECT = 'About the broken gauge';
export const FILE_TEXT = 'depth;0.43;0.44;0.47;';
export const FILE_BYTES = 3_000_000;
/** A path of the page that passes as it is: a capture without it has seen nothing. */
export const CONTROL_PATH = '/assets/control-that-passes-in-clear';

const SECRETS = [
  '/api/v1/',
  PASSWORD,
  NOTE,
  'Otter',
  'heron',
  SUBJECT,
  SUBJECT.replaceAll(' ', '+'),
  'depth.csv',
  'notes.csv',
  '0.47 m',
  'notes on the weir',
  'text/event-stream',
  FILE_TEXT,
  'multipart/form-data',
  'x-www-form-urlencoded',
  'application/json, text/plain', // what axios accepts
  '201 Created',
  '303 See Other',
];

/** @param captured with a request to {@link CONTROL_PATH}. @param calls that the API has seen. */
export function expectSealed(captured: Buffer, calls: number): void {
  const wire = captured.toString('latin1');
  expect(wire).toContain(`GET ${CONTROL_PATH} HTTP/1.1`);
  expect(wire.length).toBeGreaterThan(FILE_BYTES);
  expect(wire.match(/POST \/api\/mte HTTP/g)?.length).toBeGreaterThanOrEqual(calls);
  for (const secret of SECRETS) expect(wire.includes(secret), `"${secret}" is on the wire`).toBe(false);
  expect(wire).not.toContain('ession='); // the cookie's name
}
