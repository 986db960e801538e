import { Sparkline } from '../charts/sparkline.tsx';
import { count, dollars, joules, ms, percent } from '../format.ts';
import type { ModelView, Snapshot } from '../live/snapshot.ts';
import { figuresOf, latest, startOf } from '../live/window.ts';
import { linkTo } from '../shell/route.ts';
import { State } from './state.tsx';

/** One row a model. Its name is a link that shows it in charts. */
export function ModelTable(props: { snapshot: Snapshot; seconds: number; chosen: string | undefined }) {
  const { snapshot, seconds, chosen } = props;
  return (
    <section class="card table" aria-label="Models">
      <table>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col" class="n">
              Answers/s
            </th>
            <th scope="col" class="trend">
              Trend
            </th>
            <th scope="col" class="n least">
              p50
            </th>
            <th scope="col" class="n">
              p99
            </th>
            <th scope="col" class="n least">
              Queue
            </th>
            <th scope="col" class="n less">
              In flight
            </th>
            <th scope="col" class="n last">
              Rejected
            </th>
            <th scope="col" class="n less">
              CPU
            </th>
            <th scope="col" class="n less">
              <abbr title="per million samples">Energy/M</abbr>
            </th>
            <th scope="col" class="n less">
              <abbr title="per million samples">$/M</abbr>
            </th>
          </tr>
        </thead>
        <tbody>
          {snapshot.models.map((model) => (
            <Row
              key={model.id}
              model={model}
              snapshot={snapshot}
              seconds={seconds}
              chosen={model.id === chosen}
            />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row(props: { model: ModelView; snapshot: Snapshot; seconds: number; chosen: boolean }) {
  const { model, snapshot, seconds, chosen } = props;
  const from = startOf(snapshot, seconds);
  const figures = figuresOf(model, snapshot, seconds);
  const { now, points } = model;
  return (
    <tr class={chosen ? 'chosen' : ''}>
      <th scope="row">
        <a href={linkTo('overview', model.name, model.version)} aria-current={chosen ? 'true' : undefined}>
          {model.name}
        </a>
        <span class="version">v{model.version}</span>
        <State now={now} />
      </th>
      <td class="n">{count(figures.okPerSecond)}</td>
      <td class="trend">
        <Sparkline values={points.ok.slice(from)} label={`Answers a second of ${model.name}`} />
      </td>
      <td class="n least">{ms(latest(points.p50, from))}</td>
      <td class="n">{ms(latest(points.p99, from))}</td>
      <td class="n least">{count(now.queued)}</td>
      <td class="n less">{count(now.inFlight)}</td>
      <td class={`n last ${figures.unanswered > 0 ? 'warn' : ''}`}>{percent(figures.unanswered)}</td>
      <td class="n less">{percent(figures.cpuShare)}</td>
      <td class="n less">{joules(figures.joulesPerMillion)}</td>
      <td class="n less">{dollars(figures.dollarsPerMillion)}</td>
    </tr>
  );
}
