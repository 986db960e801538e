import type { LatencyFigures, LoadFigure, LoadPoint, LoadResult } from '../load/index.ts';
import { cdfChart, curveChart, latencyChart, throughputChart } from './charts/load-charts.ts';
import { facts, loadVerdict, milliseconds } from './load-terminal.ts';
import { digits } from './numbers.ts';
import { esc, page, section } from './page.ts';

/** The report of one bench: a self-contained HTML page with its charts inside, no script. Takes the plain JSON of a result. */
export async function renderLoadHtml(result: LoadResult): Promise<string> {
  const about = [result.scenario, result.runtime, result.data, result.arrivals].filter(
    (one) => one !== undefined,
  );
  const partial = result.partial
    ? '<span class="badge baseline">partial: stopped before its end</span> '
    : '';
  const header = `<header><h1>Modicum bench · ${esc(result.target)} · ${esc(about.join(' · '))}</h1><p class="verdict">${partial}${esc(loadVerdict(result))}</p></header>`;
  return page(`${result.scenario} of ${result.target} – Modicum`, [
    header,
    tiles(result),
    warnings(result),
    await curve(result),
    await chart(
      'Latencies',
      'Every query counts from the time at which it was due, not from when it was sent. Higher up are fewer queries: each step is a nine more.',
      cdfChart(result),
      latencyTable(result),
    ),
    await chart(
      'Latency over time',
      'By windows of the run, for the queries that were due in each and answered.',
      latencyChart(result),
    ),
    await chart('Load over time', '', throughputChart(result)),
    method(result),
  ]);
}

function tiles(result: LoadResult): string {
  const { latency, throughput, bound, goodput, metric, found } = result;
  const tile = (big: string, label: string, small = '', kind = '') =>
    `<div class="tile ${kind}"><b>${esc(big)}</b><span>${esc(label)}</span><span>${esc(small)}</span></div>`;
  const interval = ({ low, high }: LoadFigure) =>
    low === undefined || high === undefined ? '' : `${milliseconds(low)} to ${milliseconds(high)}`;
  const cells: string[] = [];
  if (result.scenario !== 'offline') {
    const value =
      metric.value === undefined
        ? '–'
        : metric.unit === 'ms'
          ? milliseconds(metric.value)
          : `${digits(metric.value ?? 0)}/s`;
    const kept = found !== undefined ? found.confirmed : bound?.met;
    cells.push(
      tile(
        value,
        metric.name,
        metric.unit === 'ms' ? metric.how : (found?.why ?? ''),
        kept === undefined ? '' : kept ? 'good' : 'bad',
      ),
    );
  }
  cells.push(tile(`${digits(throughput.value ?? 0)}/s`, 'samples answered'));
  if (goodput !== undefined) cells.push(tile(`${digits(goodput)}/s`, `of these within ${bound?.ms} ms`));
  if (latency !== undefined) {
    cells.push(tile(milliseconds(latency.p50.value), 'median latency', interval(latency.p50)));
    cells.push(tile(milliseconds(latency.p99.value), '99th percentile', interval(latency.p99)));
  }
  if (bound !== undefined) {
    const allowed =
      bound.allowed === undefined ? `${bound.needed} queries needed to tell` : `${bound.allowed} may be`;
    cells.push(
      tile(
        String(bound.over),
        `of ${result.queries} queries above ${bound.ms} ms`,
        allowed,
        bound.met ? 'good' : 'bad',
      ),
    );
  }
  return `<div class="tiles">${cells.join('')}</div>`;
}

function warnings({ warnings: all, said }: LoadResult): string {
  const messages = Object.entries(said).map(
    ([name, text]) => `<li>first “${esc(name)}”: ${esc(text ?? '')}</li>`,
  );
  const rows = all.map((one) => `<li>${esc(one)}</li>`);
  if (rows.length + messages.length === 0) return '';
  return section('Before you believe these figures', '', `<ul>${[...rows, ...messages].join('')}</ul>`);
}

async function chart(
  title: string,
  intro: string,
  drawn: Promise<string | undefined>,
  below = '',
): Promise<string> {
  const svg = await drawn;
  return svg === undefined && below === '' ? '' : section(title, intro, `${svg ?? ''}${below}`);
}

function latencyTable({ latency, answeredLatency }: LoadResult): string {
  if (latency === undefined) return '';
  const names: readonly (readonly [keyof LatencyFigures, string])[] = [
    ['mean', 'mean'],
    ['p50', '50th percentile'],
    ['p90', '90th'],
    ['p95', '95th'],
    ['p99', '99th'],
    ['p999', '99.9th'],
    ['max', 'largest'],
  ];
  const cell = ({ value, low, high }: LoadFigure) =>
    `<td class="n">${milliseconds(value)}${low === undefined || high === undefined ? '' : `<small>${milliseconds(low)} to ${milliseconds(high)}</small>`}</td>`;
  const row = (title: string, figures: LatencyFigures) =>
    `<tr><td>${title}</td>${names.map(([key]) => cell(figures[key])).join('')}</tr>`;
  const rows = [row(answeredLatency === undefined ? 'queries' : 'all queries', latency)];
  if (answeredLatency !== undefined) rows.push(row('answered ones', answeredLatency));
  return `<table><thead><tr><th></th>${names.map(([, title]) => `<th class="n">${title}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

async function curve(result: LoadResult): Promise<string> {
  const { curve: points = [] } = result;
  if (points.length === 0) return '';
  const row = (point: LoadPoint) => {
    const verdict = point.met === undefined ? '' : point.met ? 'kept' : 'broken';
    const what = [
      verdict,
      point.hopeless ? 'given up' : '',
      point.purpose === 'confirmation' ? 'confirmation' : '',
    ];
    return `<tr><td class="n">${digits(point.rate)}/s</td><td class="n">${digits(point.seconds)} s</td><td class="n">${digits(point.throughput)}/s</td><td class="n">${digits(point.goodput)}/s</td><td class="n">${milliseconds(point.p50)}</td><td class="n">${point.hopeless ? '–' : milliseconds(point.p99)}</td><td class="n">${point.shed}</td><td class="n">${point.failed}</td><td>${what.filter((one) => one !== '').join(', ')}</td></tr>`;
  };
  const rows = [...points].sort((a, b) => a.rate - b.rate).map(row);
  const table = `<details${points.length > 12 ? '' : ' open'}><summary>${points.length} rates tried</summary><table><thead><tr><th class="n">rate</th><th class="n">measured</th><th class="n">answered</th><th class="n">within the bound</th><th class="n">p50</th><th class="n">p99</th><th class="n">shed</th><th class="n">failed</th><th>bound</th></tr></thead><tbody>${rows.join('')}</tbody></table></details>`;
  return section(
    'Load curve',
    'Latency against the rate at which queries came. Rates that could only fail were given up early and stand in the table alone.',
    `${(await curveChart(result)) ?? ''}${table}`,
  );
}

function method(result: LoadResult): string {
  const { rules, metric } = result;
  const rows: (readonly [string, string])[] = [
    ...facts(result),
    ['the figure', metric.how],
    ['intervals', '95 %, bootstrap over 20 stretches of the run'],
    [
      "MLPerf's rules",
      rules.kept
        ? "kept for this scenario; only reviewed results are MLPerf's"
        : `not kept: ${rules.broken.join('; ')}`,
    ],
    ...result.notes.map((note) => ['note', note] as const),
    ['seed', String(result.seed)],
    ['made', `${result.at}, Modicum ${result.version}`],
    ...result.machine,
  ];
  const list = rows.map(([name, value]) => `<dt>${esc(name)}</dt><dd>${esc(value)}</dd>`).join('');
  return section('How these numbers were obtained', '', `<dl>${list}</dl>`);
}
