// Reads the operators' port.
import type { Stage } from '@mte-relay/testing/stage';

export async function adminGet(
  stage: Pick<Stage, 'relay'>,
  path: string,
  method = 'GET',
): Promise<{ status: number; text: string; type: string | null }> {
  const response = await fetch(`http://127.0.0.1:${stage.relay.adminPort}${path}`, {
    method,
    headers: { connection: 'close' },
  });
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') };
}

/** The value of each series in Prometheus' text format, by its name and labels as written there. */
function seriesOf(text: string): Map<string, number> {
  const series = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^([a-z_]+(?:\{[^}]*\})?) (\S+)$/.exec(line);
    if (match) series.set(match[1] as string, Number(match[2]));
  }
  return series;
}

/** Series of the relay's own metrics. */
export async function relaySeries({ relay }: Pick<Stage, 'relay'>): Promise<Map<string, number>> {
  return new Map([...seriesOf(await relay.metrics())].filter(([name]) => name.startsWith('mte_relay_')));
}

/** Collects what a logger writes to it. */
export class LogSink {
  readonly lines: string[] = [];

  write(line: string): void {
    this.lines.push(line);
  }

  /** Parsed lines with this message. */
  named(message: string): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === message);
  }
}
