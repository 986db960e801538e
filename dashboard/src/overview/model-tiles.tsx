import type { ModelSeries } from '../../../src/serve/observe/series.ts';
import { count, dollars, joules, ms, percent, span } from '../format.ts';
import type { ModelView, Values } from '../live/snapshot.ts';
import { type Figures, latest, percentile } from '../live/window.ts';
import { Tile } from './tile.tsx';

/** The figures of a model in the window that is shown. */
export function ModelTiles(props: {
  model: ModelView;
  latencies: ModelSeries['latencies'];
  figures: Figures;
  from: number;
}) {
  const { model, latencies, figures, from } = props;
  const { now, points } = model;
  const held = span(figures.seconds);
  const recent = (values: Values) => `${ms(latest(values, from))} just now`;
  const [p50, p99] = [percentile(latencies, 0.5), percentile(latencies, 0.99)];
  const slow = now.goalMs > 0 && (p99 ?? 0) > now.goalMs;
  const more =
    figures.samples > figures.ok ? `${count(figures.samplesPerSecond)} samples/s` : `mean of ${held}`;
  return (
    <dl class="tiles">
      <Tile name="Throughput" value={`${count(figures.okPerSecond)}/s`}>
        {more}
      </Tile>
      <Tile name="p50" value={ms(p50)}>
        {recent(points.p50)}
      </Tile>
      <Tile name="p99" value={ms(p99)} bad={slow}>
        {recent(points.p99)}
      </Tile>
      <Tile name="Waiting" value={count(now.queued)}>
        {count(now.inFlight)} in flight
      </Tile>
      <Tile name="Rejected" value={percent(figures.unanswered)} bad={figures.unanswered > 0.01}>
        {count(figures.refused)} refused, {count(figures.failed)} failed
      </Tile>
      <Tile name="CPU" value={percent(figures.cpuShare)}>
        of all cores{figures.cached > 0 ? `, ${percent(figures.cached / figures.ok)} from cache` : ''}
      </Tile>
      <Tile name="Energy" value={joules(figures.joulesPerMillion)}>
        {figures.joulesPerMillion === null ? 'not known' : 'per million samples'}
      </Tile>
      <Tile name="Money" value={dollars(figures.dollarsPerMillion)}>
        {figures.dollarsPerMillion === null ? 'not known' : 'per million samples'}
      </Tile>
    </dl>
  );
}
