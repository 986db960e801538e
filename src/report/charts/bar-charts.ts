import { quantity } from '../numbers.ts';
import type { LayerTime, Story } from '../story.ts';
import { axis, BASELINE, CHOSEN, drawSvg, FRONT } from './echarts.ts';

const ROW = 22;
/** Rows a chart shows before the rest is summed up. */
const MOST_ROWS = 18;

const short = (name: string) => (name.length > 34 ? `…${name.slice(-33)}` : name);

interface Bar {
  readonly name: string;
  readonly values: readonly (number | undefined)[];
}

async function bars(
  rows: readonly Bar[],
  series: readonly { name: string; colour: string }[],
  unit: string,
  label: string,
): Promise<string> {
  const height = rows.length * ROW * Math.max(1, series.length * 0.7) + 70;
  return drawSvg(
    {
      legend:
        series.length > 1
          ? { data: series.map(({ name }) => name), top: 0, right: 10, itemHeight: 10 }
          : undefined,
      grid: { left: 240, right: 70, top: series.length > 1 ? 30 : 8, bottom: 36 },
      xAxis: { ...axis, type: 'value', name: label, nameLocation: 'middle', nameGap: 24 },
      yAxis: {
        ...axis,
        type: 'category',
        data: rows.map(({ name }) => short(name)),
        inverse: true,
        axisLabel: { ...axis.axisLabel, width: 225, overflow: 'truncate' },
      },
      series: series.map(({ name, colour }, at) => ({
        name,
        type: 'bar' as const,
        data: rows.map(({ values }) => values[at] ?? 0),
        itemStyle: { color: colour, borderRadius: [0, 2, 2, 0] },
        barMaxWidth: 12,
        label: {
          show: true,
          position: 'right' as const,
          fontSize: 10,
          formatter: (bar: { value?: unknown }) =>
            Number(bar.value) === 0 ? '' : quantity(Number(bar.value), unit),
        },
      })),
    },
    860,
    height,
    label,
  );
}

/** Time by kind of operator before and after, the largest first. */
export function operatorChart(layers: NonNullable<Story['layers']>): Promise<string> {
  const sum = (times: readonly LayerTime[]) => {
    const by = new Map<string, number>();
    for (const { op, us } of times) by.set(op, (by.get(op) ?? 0) + us);
    return by;
  };
  const before = sum(layers.before);
  const after = sum(layers.after);
  const rows = [...new Set([...before.keys(), ...after.keys()])]
    .map((op) => ({ name: op, values: [before.get(op), after.get(op)] }))
    .sort((a, b) => most(b.values) - most(a.values))
    .slice(0, MOST_ROWS);
  return bars(
    rows,
    [
      { name: 'as given', colour: BASELINE },
      { name: 'chosen', colour: CHOSEN },
    ],
    '',
    'µs per run, by operator, one sample',
  );
}

/** The longest layers of one model. */
export function layerChart(times: readonly LayerTime[], chosen: boolean): Promise<string> {
  const sorted = [...times].sort((a, b) => b.us - a.us);
  const rows: Bar[] = sorted
    .slice(0, MOST_ROWS)
    .map(({ name, op, us }) => ({ name: `${name || op} (${op})`, values: [us] }));
  const rest = sorted.slice(MOST_ROWS);
  if (rest.length > 0) {
    rows.push({ name: `${rest.length} others`, values: [rest.reduce((sum, { us }) => sum + us, 0)] });
  }
  return bars(
    rows,
    [{ name: 'time', colour: chosen ? CHOSEN : BASELINE }],
    '',
    'µs per run, by layer, one sample',
  );
}

/** The most sensitive layers, worst first. */
export function sensitivityChart(rows: NonNullable<Story['sensitivity']>): Promise<string> {
  const worst = [...rows].sort((a, b) => a.sqnr - b.sqnr).slice(0, MOST_ROWS);
  return bars(
    worst.map(({ node, op, sqnr }) => ({ name: `${node} (${op})`, values: [sqnr] })),
    [{ name: 'SQNR', colour: FRONT }],
    'dB',
    'signal to quantization noise when this layer alone is quantized, dB (short bars are sensitive)',
  );
}

const most = (values: readonly (number | undefined)[]) => Math.max(...values.map((value) => value ?? 0));
