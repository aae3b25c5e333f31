// The panels of the dashboard, with the queries that Grafana would send.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface PanelQuery {
  /** With labels as {{label}}. */
  readonly legend: string;
  readonly expr: string;
}

export interface Panel {
  readonly title: string;
  readonly type: 'row' | 'timeseries' | 'stat' | 'table';
  readonly description: string;
  readonly unit: string;
  readonly max: number | undefined;
  readonly stacked: boolean;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly queries: readonly PanelQuery[];
}

/**
 * Every panel of deploy/grafana/mte-relay.json, for all namespaces and pods.
 * @param rateInterval replaces $__rate_interval, as Prometheus writes it. @param range replaces $__range.
 */
export function readPanels(rateInterval: string, range: string): Panel[] {
  const board = JSON.parse(readFileSync(join(import.meta.dirname, 'mte-relay.json'), 'utf8')) as { panels: RawPanel[] };
  return board.panels.map(({ title, type, description, fieldConfig, gridPos, targets }) => ({
    title,
    type,
    description: description ?? '',
    unit: fieldConfig?.defaults?.unit ?? '',
    max: fieldConfig?.defaults?.max,
    stacked: fieldConfig?.defaults?.custom?.stacking?.mode === 'normal',
    gridPos,
    queries: (targets ?? []).map(({ expr, legendFormat }) => ({
      legend: legendFormat,
      expr: expr
        .replaceAll('$__rate_interval', rateInterval)
        .replaceAll('$__range', range)
        .replaceAll(/\$(?:namespace|pod)/g, '.*'),
    })),
  }));
}

interface RawPanel {
  readonly title: string;
  readonly type: Panel['type'];
  readonly description?: string;
  readonly gridPos: Panel['gridPos'];
  readonly fieldConfig?: {
    readonly defaults?: {
      readonly unit?: string;
      readonly max?: number;
      readonly custom?: { readonly stacking?: { readonly mode: string } };
    };
  };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}
