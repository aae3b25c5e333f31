// The command as a real process in front of a real upstream.
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { listenOn, TEST_ORIGIN, TEST_SECRET } from './stage.ts';

const COMMAND = join(import.meta.dirname, '../../bin/mte-relay-server.js');
const LISTENS_WITHIN_MS = 20_000;

export interface RelayProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly adminPort: number;
  readonly pin: string;
  /** Everything it has printed, on both streams. */
  output(): string;
  /** Its log, parsed. */
  lines(): Record<string, unknown>[];
  /** Requests that the upstream has seen. */
  seen(): number;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** @param options.listens false for one that is expected to end instead. */
export async function startRelayProcess(
  listener: (req: IncomingMessage, res: ServerResponse) => void,
  environment: Record<string, string> = {},
  options: { listens: boolean } = { listens: true },
): Promise<RelayProcess> {
  let seen = 0;
  const upstream = createServer((req, res) => {
    seen += 1;
    listener(req, res);
  });
  const upstreamPort = await listenOn(upstream);
  const child = spawn(process.execPath, [COMMAND, 'start'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      UPSTREAM: `http://127.0.0.1:${upstreamPort}`,
      CORS_ORIGINS: TEST_ORIGIN,
      CLIENT_ID_SECRET: TEST_SECRET,
      PORT: '0',
      ...environment,
    },
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
    upstream.closeAllConnections();
    upstream.close();
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
  }
  const exited = new Promise<Awaited<RelayProcess['exited']>>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  const lines = (): Record<string, unknown>[] =>
    text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  const listening = options.listens ? await untilListening(child, lines, () => text) : undefined;
  return {
    child,
    port: Number(listening?.['port']),
    adminPort: Number(listening?.['adminPort']),
    pin: String(listening?.['pin']),
    output: () => text,
    lines,
    seen: () => seen,
    exited,
  };
}

async function untilListening(
  child: ChildProcess,
  lines: RelayProcess['lines'],
  output: () => string,
): Promise<Record<string, unknown>> {
  const deadlineMs = performance.now() + LISTENS_WITHIN_MS;
  for (;;) {
    const line = lines().find(({ msg }) => msg === 'relay is listening');
    if (line) return line;
    if (child.exitCode !== null || performance.now() > deadlineMs) throw new Error(`it does not listen:\n${output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
