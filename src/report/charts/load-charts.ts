import type { LoadPoint, LoadResult, LoadWindow } from '../../load/index.ts';
import { digits } from '../numbers.ts';
import { axis, BASELINE, CHOSEN, drawSvg, FRONT, OTHER } from './echarts.ts';

const WIDTH = 860;

/** Past this ratio of the largest to the smallest, a logarithmic axis tells more. */
const WIDE = 20;

const label = { ...axis.axisLabel, hideOverlap: true, formatter: (value: number) => digits(value) };

function valueAxis(name: string, gap: number, values: readonly number[]) {
  const positive = values.filter((value) => value > 0);
  const wide = positive.length > 0 && Math.max(...positive) / Math.min(...positive) > WIDE;
  return {
    ...axis,
    ...(wide ? ({ type: 'log' } as const) : ({ type: 'value', min: 0 } as const)),
    name,
    nameLocation: 'middle' as const,
    nameGap: gap,
    axisLabel: label,
  };
}

/** A dotted line at the bound. */
function boundLine(ms: number | undefined, along: 'xAxis' | 'yAxis') {
  if (ms === undefined) return undefined;
  return {
    symbol: 'none',
    silent: true,
    data: [{ [along]: ms }],
    lineStyle: { color: BASELINE, type: 'dotted' as const },
    label: { formatter: `bound ${digits(ms)} ms`, color: BASELINE, position: 'insideEndTop' as const },
  };
}

/** Share of the queries at or below a latency; the upper axis runs by how many nines. */
export async function cdfChart({ cdf, bound }: LoadResult): Promise<string | undefined> {
  if (cdf.length < 5) return undefined;
  const nines = (share: number) => -Math.log10(Math.max(1e-9, 1 - share));
  // The last point is all of them, which is no number of nines.
  const points = cdf.filter(([, share]) => share < 1).map(([ms, share]) => [ms, nines(share)]);
  const times = points.map(([ms]) => ms!);
  const last = Math.max(...points.map(([, y]) => y!), 1);
  const marks = [0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999].filter(
    (share) => nines(share) <= Math.ceil(last),
  );
  return drawSvg(
    {
      grid: { left: 74, right: 40, top: 26, bottom: 48 },
      xAxis: { ...valueAxis('latency from the scheduled time, ms', 30, times), ...fitted(times) },
      yAxis: {
        ...axis,
        type: 'value',
        min: 0,
        max: Math.max(1, last * 1.02),
        name: 'share of the queries',
        nameLocation: 'middle',
        nameGap: 56,
        axisLabel: {
          ...axis.axisLabel,
          customValues: marks.map(nines),
          formatter: (value: number) => `${Number(((1 - 10 ** -value) * 100).toFixed(4))} %`,
        },
        splitLine: { ...axis.splitLine, show: false },
      },
      series: [
        {
          type: 'line',
          data: points,
          showSymbol: false,
          step: 'end',
          lineStyle: { color: CHOSEN, width: 2 },
          markLine: boundLine(
            bound === undefined || bound.ms > Math.max(...times) * 3 ? undefined : bound.ms,
            'xAxis',
          ),
        },
      ],
    },
    WIDTH,
    320,
    'distribution of latencies',
  );
}

/** A logarithmic axis begins and ends near its values. */
function fitted(values: readonly number[]) {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0 || Math.max(...positive) / Math.min(...positive) <= WIDE) return {};
  return { min: roundDown(Math.min(...positive)), max: roundUp(Math.max(...positive)) };
}

const STEPS = [1, 2, 5, 10];

function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * STEPS.find((step) => step * power >= value * (1 - 1e-9))!;
}

function roundDown(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [...STEPS].reverse().find((step) => step * power <= value * (1 + 1e-9))!;
}

/** Latency over the time of the run. */
export async function latencyChart({ timeline, bound }: LoadResult): Promise<string | undefined> {
  if (timeline.length < 3) return undefined;
  const values = timeline.flatMap(({ p50, p99 }) => [p50, p99].filter((one) => one !== null));
  if (values.length === 0) return undefined;
  const line = (name: string, colour: string, of: (window: LoadWindow) => number | null) => ({
    type: 'line' as const,
    name,
    data: timeline.map((window) => [window.at + window.seconds / 2, of(window)]),
    showSymbol: false,
    lineStyle: { color: colour, width: 2 },
    itemStyle: { color: colour },
  });
  const shown = bound !== undefined && bound.ms < Math.max(...values) * 3 ? bound.ms : undefined;
  return drawSvg(
    {
      legend: { data: ['99th percentile', 'median'], top: 0, right: 10, itemHeight: 8 },
      grid: { left: 74, right: 30, top: 34, bottom: 48 },
      xAxis: secondsAxis(timeline),
      yAxis: {
        ...valueAxis('ms', 52, values),
        ...fitted([...values, ...(shown === undefined ? [] : [shown])]),
      },
      series: [
        { ...line('99th percentile', BASELINE, ({ p99 }) => p99), markLine: boundLine(shown, 'yAxis') },
        line('median', CHOSEN, ({ p50 }) => p50),
      ],
    },
    WIDTH,
    260,
    'latency over time',
  );
}

/** What was sent and answered over the time of the run. */
export async function throughputChart({ timeline, scenario }: LoadResult): Promise<string | undefined> {
  if (timeline.length < 3) return undefined;
  const rows: { name: string; colour: string; of: (window: LoadWindow) => number }[] = [
    { name: 'answered', colour: CHOSEN, of: ({ throughput }) => throughput },
  ];
  if (scenario === 'server') {
    rows.unshift({ name: 'due', colour: OTHER, of: ({ scheduled, seconds }) => scheduled / seconds });
  }
  if (timeline.some(({ failed }) => failed > 0)) {
    rows.push({ name: 'not answered', colour: BASELINE, of: ({ failed, seconds }) => failed / seconds });
  }
  return drawSvg(
    {
      legend: { data: rows.map(({ name }) => name), top: 0, right: 10, itemHeight: 8 },
      grid: { left: 74, right: 30, top: 34, bottom: 48 },
      xAxis: secondsAxis(timeline),
      yAxis: { ...valueAxis('per second', 56, []), type: 'value', min: 0 },
      series: rows.map(({ name, colour, of }) => ({
        type: 'line' as const,
        name,
        step: 'middle' as const,
        data: timeline.map((window) => [window.at + window.seconds / 2, of(window)]),
        showSymbol: false,
        lineStyle: { color: colour, width: name === 'due' ? 1.5 : 2 },
        itemStyle: { color: colour },
      })),
    },
    WIDTH,
    240,
    'queries and answers per second over time',
  );
}

function secondsAxis(timeline: readonly LoadWindow[]) {
  const last = timeline.at(-1)!;
  return {
    ...axis,
    type: 'value' as const,
    min: 0,
    max: Number((last.at + last.seconds).toPrecision(4)),
    name: 'seconds since the measured part began',
    nameLocation: 'middle' as const,
    nameGap: 30,
    axisLabel: label,
  };
}

/** Latency by load: every rate that was tried to its end. */
export async function curveChart({ curve = [], bound }: LoadResult): Promise<string | undefined> {
  const points = [...curve].filter(({ hopeless }) => !hopeless).sort((a, b) => a.rate - b.rate);
  if (points.length < 2) return undefined;
  const values = points.flatMap(({ p50, p99 }) => [p50, p99].filter((one) => one !== null));
  if (values.length === 0) return undefined;
  const line = (name: string, colour: string, of: (point: LoadPoint) => number | null) => ({
    type: 'line' as const,
    name,
    data: points.map((point) => [point.rate, of(point)]),
    symbolSize: 7,
    symbol: 'circle',
    lineStyle: { color: colour, width: 2 },
    itemStyle: { color: colour },
  });
  const rates = points.map(({ rate }) => rate);
  // The bound too: an axis that is fitted to it must have been chosen for it.
  const shown = bound === undefined ? values : [...values, bound.ms];
  return drawSvg(
    {
      legend: { data: ['99th percentile', 'median'], top: 0, right: 10, itemHeight: 8 },
      grid: { left: 74, right: 40, top: 34, bottom: 48 },
      xAxis: { ...valueAxis('queries per second', 30, rates), ...fitted(rates) },
      yAxis: {
        ...valueAxis('ms', 52, shown),
        ...fitted(shown),
      },
      series: [
        { ...line('99th percentile', FRONT, ({ p99 }) => p99), markLine: boundLine(bound?.ms, 'yAxis') },
        line('median', CHOSEN, ({ p50 }) => p50),
      ],
    },
    WIDTH,
    300,
    'latency by load',
  );
}
