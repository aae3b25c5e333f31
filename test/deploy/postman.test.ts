// The Postman collection against a real relay: every request is sent, and every check of its scripts is run. Postman's own
// runner brings 150 packages for this; of `pm` the scripts use the few parts below.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { Backend } from '@mte-relay/testing/backend';
import { type RelayProcess, startRelay } from '@mte-relay/testing/relay-process';
import { urlOf } from '@mte-relay/testing/servers';
import { requiredSettings, TEST_ORIGIN } from '@mte-relay/testing/settings';
import { afterAll, beforeAll, chai, describe, expect, test } from 'vitest';

const FILE = join(import.meta.dirname, '../../deploy/postman/mte-relay.postman_collection.json');

interface Item {
  readonly name: string;
  readonly event: readonly { readonly listen: string; readonly script: { readonly exec: readonly string[] } }[];
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly header: readonly { readonly key: string; readonly value: string }[];
    readonly body?: { readonly mode: string; readonly raw: string };
  };
}

interface Collection {
  readonly info: { readonly schema: string };
  readonly variable: readonly { readonly key: string; readonly value: string }[];
  readonly item: readonly { readonly name: string; readonly item: readonly Item[] }[];
}

const collection = JSON.parse(readFileSync(FILE, 'utf8')) as Collection;
const variables: Record<string, string> = Object.fromEntries(collection.variable.map(({ key, value }) => [key, value]));
const items = collection.item.flatMap((folder) =>
  folder.item.map((item) => [`${folder.name}: ${item.name}`, item] as const),
);

let relay: RelayProcess;
const upstream = new Backend((_req, res) => res.end('well'));

beforeAll(async () => {
  const { url } = await upstream.start();
  relay = await startRelay({ ...requiredSettings(url), PASS_THROUGH_ROUTES: '/health' });
  variables['baseUrl'] = relay.url;
  variables['adminUrl'] = urlOf(relay.adminPort);
  variables['origin'] = TEST_ORIGIN;
});
afterAll(async () => {
  await relay.stop('SIGKILL');
  upstream.stop();
});

function filled(text: string): string {
  return text.replaceAll(/\{\{(\w+)\}\}/g, (_, name) => {
    const value = variables[name as string];
    if (value === undefined) throw new Error(`the collection has no variable ${name}`);
    return value;
  });
}

interface PostmanResponse {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function send({ method, url, header, body }: Item['request']): Promise<PostmanResponse> {
  const fields = Object.fromEntries(header.map(({ key, value }) => [key, filled(value)]));
  const req = request(filled(url), { method, headers: fields, agent: false });
  req.end(body?.raw);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  let text = '';
  for await (const piece of res) text += piece;
  return { status: res.statusCode as number, headers: res.headers, body: text };
}

/** Runs a script as Postman would; gives the names of its checks. Throws what a check throws. */
function runChecks(script: string, { status, headers, body }: PostmanResponse): string[] {
  const names: string[] = [];
  const pm = {
    test(name: string, check: () => void) {
      names.push(name);
      check();
    },
    expect: chai.expect,
    collectionVariables: { get: (name: string) => variables[name] },
    response: {
      to: { have: { status: (wanted: number) => chai.expect(status).to.equal(wanted) } },
      headers: {
        get: (name: string) => headers[name.toLowerCase()],
        has: (name: string) => name.toLowerCase() in headers,
      },
      json: () => JSON.parse(body) as unknown,
      text: () => body,
    },
  };
  runInNewContext(script, { pm });
  return names;
}

describe('the collection', () => {
  test('is of schema 2.1 and needs no variable that it does not have', () => {
    expect(collection.info.schema).toContain('/v2.1.0/');
    expect(items.length).toBeGreaterThan(14);
    for (const [, item] of items) filled(item.request.url);
  });

  test.each(items)('%s', async (_, item) => {
    const response = await send(item.request);
    const script = item.event.map(({ script: { exec } }) => exec.join('\n')).join('\n');
    expect(runChecks(script, response).length).toBeGreaterThan(0);
  });

  test('a check that does not hold fails', async () => {
    const [, echo] = items[0] as (typeof items)[number];
    const script = echo.event.map(({ script: { exec } }) => exec.join('\n')).join('\n');
    const response = await send(echo.request);
    expect(() => runChecks(script, { ...response, status: 503 })).toThrow(/expected 503 to equal 200/);
    expect(() => runChecks(script, { ...response, body: response.body.replace('test', 'rest') })).toThrow(/rest/);
  });
});
