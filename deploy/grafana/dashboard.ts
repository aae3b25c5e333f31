// Grafana's dashboard, built from panels.ts by Grafana's own Foundation SDK, whose types are Grafana's schema; `npm run
// docs` writes mte-relay.json.
import {
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as NumberBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as LinesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { type PanelSource, ROWS, type RowSource } from './panels.ts';

const DATASOURCE = { type: 'prometheus', uid: '$datasource' };
const GRID_WIDTH = 24;
const PANEL_HEIGHT = 8;
const LINE_MAX_PANELS = 6;

type AnyBuilder = LinesBuilder | NumberBuilder | TableBuilder;

/** The whole dashboard as Grafana imports it. */
export function dashboard(): Dashboard {
  const builder = new DashboardBuilder('MTE Relay')
    .uid('mte-relay')
    .description('Traffic, errors, sessions and capacity of MTE Relay. Metrics: docs/metrics.md.')
    .tags(['mte-relay'])
    .timezone('browser')
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
    .withVariable(labelVariable('namespace', 'mte_relay_ready'))
    .withVariable(labelVariable('pod', 'mte_relay_ready{namespace=~"$namespace"}'));
  let y = 0;
  for (const row of ROWS) {
    builder.withRow(new RowBuilder(row.title).gridPos({ x: 0, y, w: GRID_WIDTH, h: 1 }));
    y += 1;
    for (const { panel, gridPos } of placed(row, y)) builder.withPanel(built(panel).gridPos(gridPos));
    y += PANEL_HEIGHT;
  }
  return withIds(builder.build());
}

/** Panels of a row side by side; the first ones are wider where the width does not divide evenly. */
function placed({ title, panels }: RowSource, y: number) {
  if (panels.length > LINE_MAX_PANELS) throw new Error(`${title} has more than ${LINE_MAX_PANELS} panels`);
  const narrow = Math.floor(GRID_WIDTH / panels.length);
  const wide = GRID_WIDTH - narrow * panels.length;
  let x = 0;
  return panels.map((panel, at) => {
    const w = narrow + (at < wide ? 1 : 0);
    const gridPos = { x, y, w, h: PANEL_HEIGHT };
    x += w;
    return { panel, gridPos };
  });
}

function built(source: PanelSource): AnyBuilder {
  const builder = ofKind(source)
    .title(source.title)
    .description(source.description)
    .datasource(DATASOURCE)
    .unit(source.unit)
    .min(0);
  if (source.max !== undefined) builder.max(source.max);
  if (source.empty !== undefined) builder.noValue(source.empty);
  source.queries.forEach(({ expr, legend }, at) => {
    const query = new DataqueryBuilder()
      .datasource(DATASOURCE)
      .refId(String.fromCharCode(65 + at))
      .expr(expr)
      .legendFormat(legend);
    builder.withTarget(source.kind === 'table' ? query.instant().format('table' as never) : query.range());
  });
  return builder;
}

function ofKind({ kind = 'lines', title }: PanelSource): AnyBuilder {
  if (kind === 'number') return new NumberBuilder();
  if (kind === 'table') {
    const keep = { excludeByName: { Time: true, Value: true, 'Value #A': true, 'Value #B': true } };
    return new TableBuilder()
      .withTransformation({ id: 'merge', options: {} })
      .withTransformation({ id: 'organize', options: keep });
  }
  const lines = new LinesBuilder()
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(kind === 'areas' ? 40 : 8)
    .showPoints(VisibilityMode.Never)
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(!title.startsWith('Average '))
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  return kind === 'areas' ? lines.stacking(new StackingConfigBuilder().mode(StackingMode.Normal)) : lines;
}

/** A choice of a label's values; the default is all, and series without the label. */
function labelVariable(label: string, metric: string): QueryVariableBuilder {
  return new QueryVariableBuilder(label)
    .label(label === 'pod' ? 'Pod' : 'Namespace')
    .datasource(DATASOURCE)
    .query(`label_values(${metric}, ${label})`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ selected: true, text: ['All'], value: ['$__all'] });
}

/** Numbers the panels in order, so that a link to one stays valid while it keeps its place. */
function withIds(board: Dashboard): Dashboard {
  for (const [at, panel] of (board.panels ?? []).entries()) panel.id = at + 1;
  return board;
}
