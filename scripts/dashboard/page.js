// The page that picture.ts photographs: panels on Grafana's grid of 24 columns, lines by uPlot.
const { drawing, uPlot } = globalThis;

const GAP_PIXELS = 8;
const HEAD_PIXELS = 44;
const ROW_PIXELS = 30;
const LEGEND_LINE_PIXELS = 15;
const COLOURS = [
  '#73bf69',
  '#f2cc0c',
  '#5794f2',
  '#ff9830',
  '#f2495c',
  '#b877d9',
  '#8ab8ff',
  '#37872d',
  '#fade2a',
  '#c4162a',
];
/** Steps of an axis in units that are not decimal. */
const STEPS = {
  bytes: { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000].map((mebibytes) => mebibytes * 1_048_576) },
  s: { incrs: [10, 30, 60, 120, 300, 600] },
};
const AXIS = {
  stroke: '#9a9aa8',
  grid: { stroke: '#25272c', width: 1 },
  ticks: { show: false },
  font: '10px sans-serif',
};

const main = document.querySelector('main');
const column = (innerWidth - GAP_PIXELS) / 24;
element(main, 'h1').textContent = 'MTE Relay';
for (const panel of drawing.panels) draw(panel);
const last = drawing.panels.at(-1).gridPos;
main.style.height = `${HEAD_PIXELS + (last.y + last.h) * ROW_PIXELS + GAP_PIXELS}px`;

function draw(panel) {
  const { x, y, w, h } = panel.gridPos;
  const box = element(main, panel.type === 'row' ? 'h2' : 'section');
  Object.assign(box.style, {
    left: `${GAP_PIXELS + x * column}px`,
    top: `${HEAD_PIXELS + y * ROW_PIXELS}px`,
    width: `${w * column - GAP_PIXELS}px`,
    height: `${h * ROW_PIXELS - (panel.type === 'row' ? 0 : GAP_PIXELS)}px`,
  });
  if (panel.type === 'row') {
    box.textContent = panel.title;
    return;
  }
  element(box, 'h3').textContent = panel.title;
  if (panel.type === 'table') table(box, panel);
  else if (panel.type === 'stat') number(box, panel);
  else if (panel.lines.length === 0) empty(box);
  else lines(box, panel);
}

function number(box, { lines: [line], unit }) {
  const value = line?.values.findLast((candidate) => candidate !== null);
  element(box, 'div', 'number').textContent = value === undefined ? 'No data' : written(value, unit);
}

function empty(box) {
  element(box, 'div', 'empty').textContent = 'none';
}

function table(box, { rows }) {
  const body = element(box, 'table');
  for (const labels of rows) {
    for (const [label, value] of Object.entries(labels)) {
      const row = element(body, 'tr');
      element(row, 'td').textContent = label;
      element(row, 'td').textContent = value;
    }
  }
}

function lines(box, panel) {
  const legend = panel.title.startsWith('Average ') ? [] : panel.lines;
  const list = document.createElement('ul');
  legend.forEach(({ name }, at) => {
    const item = element(list, 'li');
    item.textContent = name;
    item.style.setProperty('--colour', colourOf(at));
  });
  box.append(list);
  const legendPixels = Math.max(list.offsetHeight, LEGEND_LINE_PIXELS);
  const shown = panel.stacked ? stackedValues(panel.lines) : panel.lines.map(({ values }) => values);
  const top = Math.max(...shown.flat().filter((value) => value !== null), Number.MIN_VALUE);
  const plot = element(box, 'div');
  box.append(list); // below the plot
  new uPlot(
    {
      width: box.clientWidth - 16,
      height: box.clientHeight - 36 - legendPixels,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 26, 0, 0],
      scales: { x: { time: true }, y: { range: () => [0, panel.max ?? top * 1.15] } },
      axes: [
        { ...AXIS, space: 70, size: 22, values: (_, times) => times.map(clock) },
        {
          ...AXIS,
          space: 34,
          size: 58,
          ...STEPS[panel.unit],
          values: (_, ticks) => ticks.map((tick) => written(tick, panel.unit, top)),
        },
      ],
      series: [
        {},
        ...shown.map((_, at) => ({
          stroke: colourOf(at),
          width: 1.2,
          fill: `${colourOf(at)}${panel.stacked ? '66' : '14'}`,
          points: { show: false },
          spanGaps: false,
        })),
      ],
      bands: panel.stacked ? shown.slice(1).map((_, at) => ({ series: [at + 2, at + 1] })) : [],
    },
    [drawing.times, ...shown],
    plot,
  );
}

/** Each line on top of those before it. */
function stackedValues(all) {
  const sums = drawing.times.map(() => 0);
  return all.map(({ values }) =>
    values.map((value, at) => {
      sums[at] += value ?? 0;
      return sums[at];
    }),
  );
}

function colourOf(at) {
  return COLOURS[at % COLOURS.length];
}

/** A value as Grafana writes its unit. @param top the largest on the axis, which says how many digits are of use. */
function written(value, unit, top = value) {
  const digits = top >= 20 ? 0 : top >= 2 ? 1 : top >= 0.2 ? 2 : 3;
  const plain = String(Number(value.toFixed(digits)));
  switch (unit) {
    case 'percentunit':
      return `${(value * 100).toFixed(top < 0.05 ? 1 : 0)}%`;
    case 'ms':
      return `${plain} ms`;
    case 'reqps':
      return `${plain} req/s`;
    case 'cps':
      return `${plain} c/s`;
    case 's':
      return value >= 60 ? `${(value / 60).toFixed(1)} min` : `${value.toFixed(0)} s`;
    case 'bytes':
      return `${(value / 1_048_576).toFixed(0)} MiB`;
    case 'Bps':
      return `${(value / 1_000).toFixed(0)} kB/s`;
    default:
      return plain;
  }
}

function clock(seconds) {
  return new Date(seconds * 1_000).toTimeString().slice(0, 8);
}

function element(parent, name, className = '') {
  const made = document.createElement(name);
  made.className = className;
  parent.append(made);
  return made;
}
