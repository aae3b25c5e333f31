// A capture of one TCP port on the loopback interface, by tcpdump.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printed, startProgram } from '@mte-relay/testing/processes';
import { toolPath } from '@mte-relay/testing/tools';

/** Where `npm test` found tcpdump. Capturing also needs the right to; without it the test is skipped with the reason. */
export const TCPDUMP: string | undefined = toolPath('tcpdump');

const BUFFER_KIB = 262_144; // so that the kernel drops nothing at loopback speed

export interface Capture {
  /** Stops, and gives everything that was captured. Throws when the kernel dropped packets. */
  finish(): Promise<Buffer>;
}

export async function capturePort(tcpdump: string, port: number): Promise<Capture> {
  const folder = mkdtempSync(join(tmpdir(), 'mte-relay-capture-'));
  const file = join(folder, 'wire.pcap');
  const args = ['-i', 'lo', '-B', String(BUFFER_KIB), '-s', '0', '-U', '-w', file];
  const running = startProgram(tcpdump, [...args, '-Z', 'root', `tcp port ${port}`]);
  await printed(running, /listening on/);
  return {
    async finish() {
      await new Promise((resolve) => setTimeout(resolve, 1000)); // what is still in the kernel's buffer
      running.child.kill('SIGINT');
      await running.exited;
      const captured = readFileSync(file);
      rmSync(folder, { recursive: true, force: true });
      const dropped = Number(/(\d+) packets dropped by kernel/.exec(running.output())?.[1]);
      if (dropped !== 0) throw new Error(`the capture is not whole: ${running.output()}`);
      return captured;
    },
  };
}
