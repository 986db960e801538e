import uPlot from 'uplot';
import { clock } from '../format.ts';

/** The colours of lines are custom properties of the style sheet, one set a theme: --line-NAME. */
export type LineColor = 'good' | 'calm' | 'warm' | 'bad' | 'plain';

export interface Line {
  readonly label: string;
  readonly color: LineColor;
  /** The area below is tinted. */
  readonly filled?: boolean;
}

interface Wanted {
  readonly width: number;
  readonly height: number;
  readonly lines: readonly Line[];
  readonly format: (value: number | null | undefined) => string;
  readonly level: { readonly at: number } | undefined;
  readonly least: number;
  /** Its style tells the colours. */
  readonly element: HTMLElement;
}

const FONT = '11px system-ui, sans-serif';

/** How uPlot draws a chart of ours. */
export function chartOptions({ width, height, lines, format, level, least, element }: Wanted): uPlot.Options {
  const style = getComputedStyle(element);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const axis = { stroke: color('--quiet'), font: FONT, ticks: { show: false } };
  const grid = { stroke: color('--grid'), width: 1 };
  return {
    width,
    height,
    padding: [8, 26, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      sync: { key: 'modicum' },
      drag: { x: false, y: false },
      points: { size: 7 },
    },
    scales: {
      x: { time: true },
      y: {
        range: (_, __, max) => [
          0,
          roundUp(Math.max(max ?? 0, least, level === undefined ? 0 : level.at * 1.1)),
        ],
      },
    },
    series: [
      {},
      ...lines.map(({ label, color: name, filled }) => ({
        label,
        stroke: color(`--line-${name}`),
        fill: filled ? color(`--fill-${name}`) : undefined,
        width: 1.6,
        points: { show: false },
      })),
    ],
    axes: [
      { ...axis, grid: { show: false }, size: 26, space: 80, values: (_, splits) => splits.map(clock) },
      {
        ...axis,
        grid,
        size: axisWidth,
        space: 36,
        gap: 6,
        values: (_, splits) => splits.map((at) => format(at)),
      },
    ],
    hooks: level === undefined ? {} : { draw: [(plot) => drawLevel(plot, level.at, color('--quiet'))] },
  };
}

/** As wide as its labels. */
function axisWidth(plot: uPlot, values: string[] | null): number {
  if (values === null) return 44;
  plot.ctx.save();
  plot.ctx.font = FONT;
  const widest = Math.max(...values.map((text) => plot.ctx.measureText(text).width));
  plot.ctx.restore();
  return Math.ceil(Math.max(34, widest + 14));
}

/** The next of 1, 2, 2.5, 5 times a power of ten: the axis stays where it is while values move a little. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= value * 1.02) ?? 12;
  return step * power;
}

function drawLevel(plot: uPlot, at: number, color: string): void {
  const y = Math.round(plot.valToPos(at, 'y', true)) + 0.5;
  const { left, width } = plot.bbox;
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = color;
  ctx.lineWidth = uPlot.pxRatio;
  ctx.setLineDash([4 * uPlot.pxRatio, 4 * uPlot.pxRatio]);
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  ctx.restore();
}
