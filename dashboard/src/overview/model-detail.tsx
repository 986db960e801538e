import type { ModelSeries, SeriesDocument } from '../../../src/serve/observe/series.ts';
import { Bars } from '../charts/bars.tsx';
import { Columns } from '../charts/columns.tsx';
import { Shares } from '../charts/shares.tsx';
import { TimeChart } from '../charts/time-chart.tsx';
import { count, ms, percent, span } from '../format.ts';
import { idOf, type ModelView, type Snapshot } from '../live/snapshot.ts';
import { figuresOf, startOf, sum } from '../live/window.ts';
import { linkTo } from '../shell/route.ts';
import { Cost } from './cost.tsx';
import { ModelTiles } from './model-tiles.tsx';
import { State } from './state.tsx';

const THROUGHPUT = [
  { label: 'answered', color: 'good', filled: true },
  { label: 'rejected', color: 'bad' },
] as const;
const LATENCY = [
  { label: 'p50', color: 'good' },
  { label: 'p90', color: 'calm' },
  { label: 'p99', color: 'warm' },
] as const;
const QUEUE = [
  { label: 'waiting', color: 'warm', filled: true },
  { label: 'in flight', color: 'calm' },
] as const;
const CPU = [{ label: 'CPU', color: 'calm', filled: true }] as const;

/** Everything about one version of one model. */
export function ModelDetail(props: {
  model: ModelView;
  snapshot: Snapshot;
  past: SeriesDocument | undefined;
  seconds: number;
}) {
  const { model, snapshot, past, seconds } = props;
  const whole = past?.models.find((one) => idOf(one) === model.id);
  // Until the document of another window has come, the one that is there says how far it goes.
  const last = `last ${span(past === undefined ? seconds : past.step * past.times.length)}`;
  const { name, version, points, now, platform } = model;
  const { times, server } = snapshot;
  const from = startOf(snapshot, seconds);
  const figures = figuresOf(model, snapshot, seconds);
  const rejected = points.refused.map((refused, i) => (refused ?? 0) + (points.failed[i] ?? 0));
  const shares = points.cpuSeconds.map((used) => (used === null ? null : used / Math.max(1, server.cores)));
  const common = { times, seconds };
  const goal =
    Number.isFinite(now.goalMs) && now.goalMs > 0
      ? { at: now.goalMs, label: `goal ${ms(now.goalMs)}` }
      : undefined;
  return (
    <article aria-label={`Model ${name}, version ${version}`}>
      <header class="title">
        <h2>
          {name} <span class="version">v{version}</span> <State now={now} />
        </h2>
        <p>
          {platform} · {now.instances} {now.instances === 1 ? 'instance' : 'instances'} · batches of up to{' '}
          {now.maxBatch}
          {goal === undefined ? '' : ` · ${goal.label}`}
        </p>
        <nav aria-label={`More of ${name}`}>
          <a class="button" href={linkTo('try', name, version)}>
            Try it
          </a>
          <a class="button" href={linkTo('report', name)}>
            Report
          </a>
        </nav>
      </header>
      <ModelTiles model={model} latencies={whole?.latencies ?? []} figures={figures} from={from} />
      <div class="grid">
        <TimeChart
          {...common}
          title="Throughput"
          about="requests a second"
          lines={THROUGHPUT}
          values={[points.ok, rejected]}
          format={count}
          least={5}
        />
        <TimeChart
          {...common}
          title="Latency"
          about="first byte in to last byte out"
          lines={LATENCY}
          values={[points.p50, points.p90, points.p99]}
          format={ms}
          level={goal}
        />
        <TimeChart
          {...common}
          title="Queue"
          about="requests, highest of each second"
          lines={QUEUE}
          values={[points.queued, points.inFlight]}
          format={count}
          least={4}
        />
        <TimeChart
          {...common}
          title="CPU"
          about={`share of all ${server.cores} cores`}
          lines={CPU}
          values={[shares]}
          format={percent}
          least={0.1}
        />
        <Batches sizes={whole?.batchSizes ?? []} last={last} />
        {model.exits.length > 0 && (
          <Shares
            title="Exits taken"
            about={`samples by the stage they left at, last ${span(seconds)}`}
            parts={model.exits.map((counts, stage) => ({
              label: stage === model.exits.length - 1 ? 'to the end' : `exit ${stage + 1}`,
              value: sum(counts, from),
            }))}
            empty="No sample in this time."
          />
        )}
        <Curve model={model} />
        <Reasons reasons={whole?.reasons ?? []} last={last} />
      </div>
      <Cost server={server} total={model.total} />
    </article>
  );
}

function Batches({ sizes, last }: { sizes: ModelSeries['batchSizes']; last: string }) {
  const samples = sizes.reduce((total, row) => total + row.size * row.batches, 0);
  const batches = sizes.reduce((total, row) => total + row.batches, 0);
  const mean = batches === 0 ? '' : `, ${(samples / batches).toFixed(1)} on average`;
  const rows = grouped(sizes).map(({ label, batches: value }) => ({
    label,
    value,
    text: `${count(value)} batches`,
  }));
  return (
    <Columns
      title="Batch sizes"
      about={`batches by their samples, ${last}${mean}`}
      rows={rows}
      empty="No batch in this time."
    />
  );
}

/** More columns than twelve do not fit a telephone: neighbours are joined to eight. */
function grouped(rows: readonly { readonly size: number; readonly batches: number }[]) {
  const each = rows.length <= 12 ? 1 : Math.ceil(rows.length / 8);
  const groups: { label: string; batches: number }[] = [];
  for (let i = 0; i < rows.length; i += each) {
    const part = rows.slice(i, i + each);
    const [first, last] = [part[0]!.size, part.at(-1)!.size];
    const batches = part.reduce((total, row) => total + row.batches, 0);
    groups.push({ label: first === last ? String(first) : `${first}–${last}`, batches });
  }
  return groups;
}

function Curve({ model }: { model: ModelView }) {
  const bars = model.now.curve.map(({ batch, mean, high }) => {
    return { label: String(batch), value: mean, text: `${ms(mean)}, up to ${ms(high)}` };
  });
  const about = 'time of a batch by its samples, as the batcher has learned it';
  return <Bars title="Service time" about={about} bars={bars} empty="Nothing learned yet." />;
}

function Reasons({ reasons, last }: { reasons: ModelSeries['reasons']; last: string }) {
  const bars = reasons.map(({ code, requests }) => ({ label: code, value: requests, text: count(requests) }));
  return (
    <Bars
      title="Rejected requests"
      about={`by the code of the error, ${last}`}
      bars={bars}
      empty="None: every request was answered."
    />
  );
}
