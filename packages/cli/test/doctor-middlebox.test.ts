// `mte-relay doctor` through a real nginx, whose defaults are already most of what goes wrong in front of a relay.
import { freePort } from '@mte-relay/testing/free-port';
import { NGINX, startNginx } from '@mte-relay/testing/nginx';
import { describe, expect, test } from 'vitest';
import { examine, finding, useRelay } from './support/doctor.ts';

const ORIGIN = 'https://app.example';
/** The advice of docs/operations.md. */
const AS_ADVISED = `
  client_max_body_size 0;
  location / {
    proxy_pass $relay;
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
  }`;

const relay = useRelay();
const { backend } = relay;

async function through(serverBlock: string, ...args: string[]) {
  const url = await startNginx(relay.url, serverBlock);
  return examine(url, '--pin', relay.pin, '--calls', '1', ...args);
}

describe.skipIf(!NGINX)(`behind nginx${NGINX ? '' : ' (skipped: no nginx)'}`, () => {
  test('set up as the guide advises, all is well', async () => {
    const { exitCode, checks } = await through(AS_ADVISED, '--origin', ORIGIN, '--path', '/health');
    expect(checks('failed', 'warning')).toEqual([]);
    expect(exitCode).toBe(0);
  });

  test('its defaults limit bodies, hold uploads back and drop the WebSocket upgrade', async () => {
    const { exitCode, checks, found } = await through('location / { proxy_pass $relay; }');
    expect(exitCode).toBe(3);
    expect(found['uploads']).toEqual(finding('failed', /10 MB do not arrive: .* 413/, /client_max_body_size/));
    expect(found['upload stream']).toEqual(finding('warning', /no part of the request/, /proxy_request_buffering off/));
    expect(found['WebSocket']).toEqual(finding('failed', /426 upgrade-required/, /Connection and Upgrade/));
    // What an ordinary call needs works.
    for (const check of ['sealed call', 'replay', 'pods']) expect(checks('ok')).toContain(check);
  });

  test('a content type that is rewritten is 415', async () => {
    const { found } = await through('location / { proxy_pass $relay; proxy_set_header Content-Type text/plain; }');
    expect(found['pairing']).toEqual(finding('failed', /415 media-type-unsupported/, /rewrites content-type/));
  });

  test('bodies that are changed do not open', async () => {
    const { found } = await through(`location / { proxy_pass $relay; }
      location = /api/mte { proxy_pass $relay; proxy_set_body "$request_body "; }`);
    expect(found['pairing']?.state).toBe('ok');
    expect(found['sealed call']).toEqual(finding('failed', /400 unopenable/, /changes bytes/));
  });

  test('responses that are compressed are named', async () => {
    const { found } = await through(`gzip on; gzip_min_length 0; gzip_types application/mte-relay; gzip_proxied any;
      location / { proxy_pass $relay; }`);
    expect(found['sealed call']).toEqual(finding('failed', /compresses sealed responses \(gzip\)/, /compression/));
  });

  test('an event stream passes, with its defaults too', async () => {
    backend.handler = (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: one\n\n');
      setTimeout(() => res.end('data: two\n\n'), 500);
    };
    const { found } = await through('location / { proxy_pass $relay; }', '--stream', '/events', '--upload-mb', '0');
    expect(found['response stream']).toEqual(finding('ok', /before the stream ended/));
  });

  test('a cache that keeps what must not be kept is found by a second message and a second echo', async () => {
    const url = await startNginx(
      relay.url,
      `location / { proxy_pass $relay; proxy_cache all; proxy_cache_valid 200 10m; proxy_cache_methods GET POST;
        proxy_ignore_headers Cache-Control; proxy_cache_key $uri$request_body; }`,
      'proxy_cache_path $folder/cache keys_zone=all:1m;',
    );
    const first = await examine(url, '--pin', relay.pin, '--calls', '1', '--upload-mb', '0');
    expect(first.found['replay']).toEqual(finding('failed', /accepted twice/, /exempt POST from caches/));
    const second = await examine(url, '--pin', relay.pin, '--calls', '1', '--upload-mb', '0');
    expect(second.found['echo']).toEqual(finding('failed', /an old response was reused/, /exempt \/api\/mte\*/));
  });

  test('CORS fields of its own are named', async () => {
    const { found } = await through(
      `location / { proxy_pass $relay; add_header Access-Control-Allow-Origin "*" always; }`,
      '--origin',
      ORIGIN,
    );
    expect(found['CORS']).toEqual(finding('failed', /allows https:\/\/app\.example and \*/, /leave CORS to the relay/));
    expect(found['foreign origin']).toEqual(finding('failed', /every origin may read responses: \*/));
  });

  test.each([
    ['Origin', 'proxy_set_header Origin "";'],
    ['its CORS fields', 'proxy_hide_header Access-Control-Allow-Origin;'],
  ])('%s taken off is the intermediary’s fault, not that of CORS_ORIGINS', async (_, directive) => {
    const { found } = await through(`location / { proxy_pass $relay; ${directive} }`, '--origin', ORIGIN);
    expect(found['CORS']).toEqual(finding('failed', /the origin is not allowed/, /an intermediary drops/));
  });

  test('a pairing that is led elsewhere is not taken for a fault of CORS', async () => {
    const { found } = await through(
      'location / { proxy_pass $relay; } location = /api/mte-pair { proxy_pass $relay/pair; }',
      '--origin',
      ORIGIN,
    );
    for (const check of ['CORS', 'foreign origin']) {
      expect(found[check], check).toEqual(finding('failed', /404 not-found/, /rewrites the path/));
    }
  });

  test('a way past the relay is found by a request that must be refused', async () => {
    const { exitCode, found } = await through(
      `location / { proxy_pass ${backend.url}; } location /api/mte { proxy_pass $relay; }`,
    );
    expect(exitCode).toBe(3);
    expect(found['unsealed']).toEqual(finding('failed', /does not refuse an unsealed request/, /leads past the relay/));
    expect(found['sealed call']?.state).toBe('ok');
  });

  test('an unreachable relay is the intermediary’s 502', async () => {
    const url = await startNginx(`http://127.0.0.1:${await freePort()}`, 'location / { proxy_pass $relay; }');
    const { exitCode, found } = await examine(url);
    expect(exitCode).toBe(3);
    expect(found['discovery']).toEqual(finding('failed', /502, text\/html \(server: nginx/, /are pods ready/));
  });

  test('a path that is rewritten on the way is named', async () => {
    const { found } = await through(
      'location / { proxy_pass $relay; } location = /api/mte-pair { proxy_pass $relay/pair; }',
    );
    expect(found['pairing']).toEqual(finding('failed', /404 not-found/, /rewrites the path/));
  });
});
