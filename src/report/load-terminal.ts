import pc from 'picocolors';
import {
  boundInWords,
  type LatencyFigures,
  type LoadFigure,
  type LoadPoint,
  type LoadResult,
} from '../load/index.ts';
import { digits, quantity } from './numbers.ts';
import { textTable } from './terminal.ts';

/** A time in ms; endless where the query was not answered. */
export function milliseconds(value: number | null | undefined): string {
  return value === undefined ? '–' : value === null ? '∞' : quantity(value, 'ms');
}

/** The verdict of a bench in a sentence. */
export function loadVerdict(result: LoadResult): string {
  const { metric, bound, scenario, offered } = result;
  const value =
    metric.value === undefined
      ? 'not found'
      : metric.unit === 'ms'
        ? milliseconds(metric.value)
        : digits(metric.value ?? Number.NaN);
  if (scenario !== 'server') return `${metric.name}: ${value}`;
  if (result.found !== undefined) return `${metric.name} with 99 % within ${bound?.ms} ms: ${value}`;
  const rate = `${digits(offered ?? 0)} queries a second`;
  if (bound === undefined) return `${rate}: 99 % within ${milliseconds(result.latency?.p99.value)}`;
  const open = bound.allowed === undefined && bound.over === 0;
  const verdict = bound.met
    ? 'the bound is kept'
    : open
      ? 'nothing is shown of the bound'
      : 'the bound is not kept';
  return `${rate}: ${verdict} (${boundInWords(bound)})`;
}

/** A load result as a short text for a terminal. */
export function renderLoadTerminal(result: LoadResult): string {
  const { latency, answeredLatency, curve, warnings, notes, rules, bound, found } = result;
  const good = found !== undefined ? found.confirmed : (bound?.met ?? true);
  const paint = good && !result.partial ? pc.green : pc.yellow;
  const parts = [
    `${pc.bold(result.target)}, ${result.scenario}; ${result.runtime}; ${result.data}${result.arrivals ? `; ${result.arrivals}` : ''}`,
    result.partial ? pc.yellow('partial: it was stopped before its end') : '',
    curve === undefined ? '' : curveTable(curve),
    textTable(['latency', 'value', '95 % interval'], latency === undefined ? [] : latencyRows(latency)),
    answeredLatency === undefined
      ? ''
      : textTable(['of the answered ones', 'value', '95 % interval'], latencyRows(answeredLatency)),
    textTable(['load', ''], facts(result), ['left', 'left']),
    ...warnings.map((warning) => pc.yellow(`warning: ${warning}`)),
    ...notes.map((note) => pc.dim(`note: ${note}`)),
    rules.kept
      ? pc.dim("keeps MLPerf's rules for this scenario (only reviewed results are MLPerf's)")
      : pc.dim(`not by MLPerf's rules: ${rules.broken.join('; ')}`),
    paint(loadVerdict(result)),
  ];
  return parts.filter((part, at) => part !== '' && !(at === 3 && latency === undefined)).join('\n\n');
}

function latencyRows(latency: LatencyFigures): string[][] {
  const row = (name: string, { value, low, high }: LoadFigure) => [
    name,
    milliseconds(value),
    low === undefined || high === undefined ? '' : `${milliseconds(low)} to ${milliseconds(high)}`,
  ];
  return [
    row('mean', latency.mean),
    row('50th percentile', latency.p50),
    row('90th', latency.p90),
    row('95th', latency.p95),
    row('99th', latency.p99),
    row('99.9th', latency.p999),
    row('largest', latency.max),
  ];
}

/** Name and value of what there is to say of a load. */
export function facts(result: LoadResult): [string, string][] {
  const { outcomes, lateness, generator, offered, goodput, throughput } = result;
  const lost = Object.entries(outcomes).filter(([name, count]) => name !== 'ok' && count > 0);
  const share = (seconds: number) =>
    `${Math.round((100 * seconds) / Math.max(1e-9, generator.wallSeconds))} %`;
  const rows: [string, string][] = [
    ['measured', `${digits(result.seconds)} s, ${result.queries} queries, ${result.samples} samples`],
    ['warm-up, not measured', `${digits(result.warmUp.seconds)} s, ${result.warmUp.queries} queries`],
  ];
  if (offered !== undefined) rows.push(['queries that were due', `${digits(offered)}/s`]);
  rows.push(['samples answered', `${digits(throughput.value ?? 0)}/s`]);
  if (goodput !== undefined) rows.push(['of these within the bound', `${digits(goodput)}/s`]);
  if (lost.length > 0)
    rows.push(['not answered', lost.map(([name, count]) => `${count} ${name}`).join(', ')]);
  if (lateness !== undefined) {
    rows.push([
      'sent late by',
      `${milliseconds(lateness.p50)} (median), ${milliseconds(lateness.p99)} (99th), ${milliseconds(lateness.max)} at most`,
    ]);
  }
  rows.push([
    'CPU of the generator',
    `${share(generator.threadSeconds)} of a core; its process ${share(generator.processSeconds)}; its loop busy ${Math.round(generator.loopUtilization * 100)} %`,
  ]);
  return rows;
}

function curveTable(curve: readonly LoadPoint[]): string {
  return textTable(
    ['rate', 'answered', 'p50', 'p99', 'shed', 'failed', 'bound'],
    [...curve]
      .sort((a, b) => a.rate - b.rate)
      .map((point) => [
        `${digits(point.rate)}/s`,
        `${digits(point.throughput)}/s`,
        milliseconds(point.p50),
        point.hopeless ? 'given up' : milliseconds(point.p99),
        String(point.shed),
        String(point.failed),
        `${point.met === undefined ? '' : point.met ? 'kept' : 'broken'}${point.purpose === 'confirmation' ? ' (confirmation)' : ''}`,
      ]),
  );
}
