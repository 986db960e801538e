import { digits } from '../numbers.ts';
import type { Figure, Story, StoryVariant } from '../story.ts';
import { axis, BASELINE, CHOSEN, drawSvg, FRONT, INK, OTHER } from './echarts.ts';

/** What may stand on the x axis, with the factor from the figure's unit to the axis's. */
export const PARETO_AXES = {
  latency: { title: 'Latency of one sample, ms', factor: 1 },
  cost: { title: 'Dollars per million samples', factor: 1 },
  energy: { title: 'Energy per sample, mJ', factor: 1000 },
  size: { title: 'Model size, kB', factor: 1e-3 },
} as const;

export type ParetoAxis = keyof typeof PARETO_AXES;

const COLOURS: Record<StoryVariant['status'], string> = {
  baseline: BASELINE,
  chosen: CHOSEN,
  front: FRONT,
  dominated: OTHER,
  rejected: OTHER,
};

/** Accuracy on the search part against one cost, a point a variant. Answers undefined where fewer than two have both. */
export async function paretoChart(story: Story, by: ParetoAxis): Promise<string | undefined> {
  const { title, factor } = PARETO_AXES[by];
  const points = story.variants.flatMap((variant) => {
    const x: Figure | undefined = variant.figures[by];
    const y = variant.figures.accuracy;
    return x === undefined || y === undefined ? [] : [{ variant, x: x.value * factor, y: y.value }];
  });
  if (points.length < 2) return undefined;
  const floor = bound(story);
  const [least, most] = [Math.min(...points.map(({ x }) => x)), Math.max(...points.map(({ x }) => x))];
  const wide = least > 0 && most / least > WIDE;
  // A label stands on the side of its point that has room.
  const isRight = (x: number) => (wide ? x > Math.sqrt(least * most) : x > most * 0.55);
  const line = points
    .filter(({ variant }) => variant.status !== 'rejected' && variant.status !== 'dominated')
    .sort((a, b) => a.x - b.x);
  return drawSvg(
    {
      grid: { left: 70, right: 30, top: 24, bottom: 48 },
      xAxis: {
        ...axis,
        ...(wide ? ({ type: 'log' } as const) : ({ type: 'value', min: 0 } as const)),
        name: title,
        nameLocation: 'middle',
        nameGap: 30,
        axisLabel: { ...axis.axisLabel, hideOverlap: true, formatter: (value: number) => digits(value) },
      },
      yAxis: {
        ...axis,
        type: 'value',
        name: `${story.metric.name}${story.metric.unit === '1' ? '' : `, ${story.metric.unit}`}`,
        nameLocation: 'middle',
        nameGap: 52,
        min: ({ min, max }: Range) => lower(Math.min(min, floor ?? min), max),
        max: ({ min, max }: Range) => {
          const top = upper(Math.min(min, floor ?? min), max);
          return story.metric.unit === '%' && max <= 100 ? Math.min(100, top) : top;
        },
        axisLabel: { ...axis.axisLabel, formatter: (value: number) => digits(value) },
      },
      series: [
        {
          type: 'line',
          data: line.map(({ x, y }) => [x, y]),
          showSymbol: false,
          lineStyle: { color: FRONT, width: 1, type: 'dashed', opacity: 0.5 },
          silent: true,
          markLine:
            floor === undefined
              ? undefined
              : {
                  symbol: 'none',
                  data: [{ yAxis: floor }],
                  lineStyle: { color: BASELINE, type: 'dotted' },
                  label: { formatter: 'goal', color: BASELINE, position: 'insideEndTop' },
                },
        },
        {
          type: 'scatter',
          data: points.map(({ variant, x, y }) => ({
            name: variant.title,
            value: [x, y],
            symbolSize: variant.status === 'chosen' ? 18 : 11,
            symbol:
              variant.status === 'rejected'
                ? 'emptyCircle'
                : variant.status === 'baseline'
                  ? 'diamond'
                  : 'circle',
            itemStyle: { color: COLOURS[variant.status], borderColor: '#fff', borderWidth: 1 },
            label: {
              show: variant.status !== 'dominated' || points.length <= 12,
              formatter: short(variant.title),
              position: isRight(x) ? ('left' as const) : ('right' as const),
              textBorderColor: '#fff',
              textBorderWidth: 3,
              color: variant.status === 'chosen' ? CHOSEN : INK,
              fontWeight: variant.status === 'chosen' ? ('bold' as const) : ('normal' as const),
              fontSize: 11,
            },
          })),
          labelLayout: { hideOverlap: true, moveOverlap: 'shiftY' },
          z: 3,
        },
      ],
    },
    860,
    360,
    `${story.metric.name} against ${title}`,
  );
}

/** Past this ratio of the largest to the smallest, a logarithmic axis tells more. */
const WIDE = 30;

const short = (title: string) => (title.length > 36 ? `${title.slice(0, 35)}…` : title);

interface Range {
  readonly min: number;
  readonly max: number;
}

/** A round step of about a fifth of the range, so that the axis starts and ends on a round number. */
function step(min: number, max: number): number {
  const raw = Math.max((max - min) / 5, Math.abs(max) * 1e-4, 1e-9);
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * ([1, 2, 5, 10].find((times) => times * power >= raw) ?? 10);
}

const lower = (min: number, max: number) => Math.floor(min / step(min, max) - 0.5) * step(min, max);
const upper = (min: number, max: number) => Math.ceil(max / step(min, max) + 0.5) * step(min, max);

/** The least (or most) metric that the goal still allows on the search part. */
function bound(story: Story): number | undefined {
  const baseline = story.variants.find((variant) => variant.status === 'baseline')?.figures.accuracy;
  if (baseline === undefined) return undefined;
  return story.metric.higherIsBetter
    ? baseline.value - story.goal.maxDrop
    : baseline.value + story.goal.maxDrop;
}
