// The two nginx configurations: the upstream, made to cost as little as possible, and the proxy under test. Both keep
// connections for the whole run, log nothing, write only below their own directory, and need no privilege.
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Started, start } from './processes.ts';
import { CONTENT_TYPE, RESPONSE_BODY } from './workload.ts';

const NOBODY_UID = 65_534;
const REQUESTS_PER_CONNECTION = 1_000_000_000;

/** Responds to every request with the same 200; reads the request body and throws it away. */
export function startUpstream(core: number, directory: string, port: number): Started {
  const servers = `
  server {
    listen 127.0.0.1:${port} backlog=1024;
    default_type ${CONTENT_TYPE};
    return 200 '${RESPONSE_BODY.toString('latin1')}';
  }`;
  return startNginx('upstream', core, directory, servers);
}

/** The yardstick: proxy_pass with kept upstream connections. */
export function startNginxProxy(core: number, directory: string, port: number, upstreamPort: number): Started {
  const servers = `
  upstream api {
    server 127.0.0.1:${upstreamPort};
    keepalive 512;
    keepalive_requests ${REQUESTS_PER_CONNECTION};
    keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / {
      proxy_pass http://api;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }`;
  return startNginx('nginx', core, directory, servers);
}

function startNginx(name: string, core: number, parent: string, servers: string): Started {
  const directory = join(parent, name);
  mkdirSync(directory);
  const uid = process.getuid?.() === 0 ? NOBODY_UID : undefined;
  if (uid !== undefined) chownSync(directory, uid, uid);
  const file = join(directory, 'nginx.conf');
  writeFileSync(file, configuration(directory, servers));
  return start(name, ['nginx', '-e', 'stderr', '-p', directory, '-c', file], { core, uid });
}

function configuration(directory: string, servers: string): string {
  return `daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests ${REQUESTS_PER_CONNECTION};
  client_body_buffer_size 16k;
  client_body_temp_path ${directory}/client;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
${servers}
}
`;
}
