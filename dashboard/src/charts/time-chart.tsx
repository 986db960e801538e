import { useEffect, useId, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { clock } from '../format.ts';
import type { Values } from '../live/snapshot.ts';
import { useThemeName } from '../shell/theme.ts';
import { chartOptions, type Line } from './chart-options.ts';

export interface TimeChartProps {
  readonly title: string;
  /** What the figures are, in a few words. */
  readonly about: string;
  readonly times: readonly number[];
  /** Seconds shown, up to the last time. */
  readonly seconds: number;
  readonly lines: readonly Line[];
  readonly values: readonly Values[];
  readonly format: (value: number | null | undefined) => string;
  /** A level drawn across, such as the latency goal. */
  readonly level?: { readonly at: number; readonly label: string };
  /** Of the y axis at least. */
  readonly least?: number;
}

const HEIGHT = 190;

/** Lines over time. The arrow keys walk through the points; all charts of a page show the same moment. */
export function TimeChart(props: TimeChartProps) {
  const { title, about, times, seconds, lines, values, format, level, least = 0 } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [at, setAt] = useState<number>();
  const theme = useThemeName();
  const id = useId();
  const shape = lines.map((line) => line.label).join('|');
  useEffect(() => {
    const element = place.current!;
    const width = Math.max(element.clientWidth, 100);
    const options = chartOptions({ width, height: HEIGHT, lines, format, level, least, element });
    options.hooks = {
      ...options.hooks,
      setCursor: [
        ({ cursor }) => setAt(cursor.left == null || cursor.left < 0 ? undefined : (cursor.idx ?? undefined)),
      ],
    };
    const chart = new uPlot(options, [[...times], ...values] as uPlot.AlignedData, element);
    plot.current = chart;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) chart.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [theme, shape, level?.at]);

  useEffect(() => {
    const last = times.at(-1) ?? 0;
    plot.current?.batch(() => {
      plot.current?.setData([[...times], ...values] as uPlot.AlignedData, false);
      plot.current?.setScale('x', { min: last - seconds + 1, max: last });
    });
  }, [times, values, seconds]);

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -times.length, End: times.length }[event.key];
    const chart = plot.current;
    if (chart === undefined) return;
    if (event.key === 'Escape') chart.setCursor({ left: -10, top: -10 });
    if (step === undefined || times.length === 0) return;
    event.preventDefault();
    const first = Math.max(
      0,
      times.findIndex((time) => time > times.at(-1)! - seconds),
    );
    const next = Math.min(times.length - 1, Math.max(first, (at ?? times.length) + step));
    chart.setCursor({ left: chart.valToPos(times[next]!, 'x'), top: 10 });
  };

  const shown = at === undefined || at >= times.length ? times.length - 1 : at;
  const legend = lines.map(({ label, color }, i) => ({ label, color, text: format(values[i]?.[shown]) }));
  const summary = legend.map(({ label, text }) => `${label} ${text}`).join(', ');
  return (
    <section class="card chart" aria-labelledby={id}>
      <header>
        <h3 id={id}>{title}</h3>
        <p>{at === undefined || times.length === 0 ? about : `at ${clock(times[shown]!)}`}</p>
      </header>
      <ul class="legend">
        {legend.map(({ label, color, text }) => (
          <li key={label}>
            <i class={`mark ${color}`} />
            {label} <b>{text}</b>
          </li>
        ))}
        {level !== undefined && (
          <li>
            <i class="mark goal" />
            {level.label}
          </li>
        )}
      </ul>
      <div
        class="plot"
        ref={place}
        tabIndex={0}
        role="slider"
        aria-label={title}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, times.length - 1)}
        aria-valuenow={Math.max(0, shown)}
        aria-valuetext={times.length === 0 ? 'nothing yet' : `${clock(times[shown]!)}: ${summary}`}
        onKeyDown={onKeyDown}
      />
    </section>
  );
}
