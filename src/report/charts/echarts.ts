import type { EChartsOption } from 'echarts';

export type { EChartsOption };

export const INK = '#1f2933';
export const QUIET = '#7b8794';
export const GRID = '#e4e7eb';
/** What is chosen, what it is compared with, and the rest. */
export const CHOSEN = '#0b7a75';
export const BASELINE = '#b44d12';
export const OTHER = '#9fb3c8';
export const FRONT = '#3e6fb0';
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

/** Draws a chart as an SVG element, without a browser. The one place that knows the plotting library; loaded when needed. */
export async function drawSvg(
  option: EChartsOption,
  width: number,
  height: number,
  label: string,
): Promise<string> {
  const { init } = await import('echarts');
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: FONT, color: INK }, ...option });
    return chart
      .renderToSVGString()
      .replace('<svg ', `<svg role="img" aria-label="${label.replace(/["<>&]/g, ' ')}" `)
      .replace(/ width="\d+" height="\d+"/, '');
  } finally {
    chart.dispose();
  }
}

/** Axis looks shared by all charts. */
export const axis = {
  nameTextStyle: { color: QUIET, fontSize: 12 },
  axisLine: { lineStyle: { color: GRID } },
  axisTick: { show: false },
  axisLabel: { color: QUIET, fontSize: 11 },
  splitLine: { lineStyle: { color: GRID } },
} as const;
