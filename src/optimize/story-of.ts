import { median } from 'simple-statistics';
import { ALIKE_WITHIN, costPerMillion, type Measurement } from '../measure/index.ts';
import type { Figure, StoryFigures, StoryLook, StoryStep, StoryVariant } from '../report/index.ts';
import { lossInWords } from './decide.ts';
import type { Goal } from './goal.ts';
import type { Rates } from './rates.ts';
import type { SearchOutcome } from './search.ts';
import { settingsInWords } from './settings.ts';
import type { Point } from './space/dimension.ts';
import type { Pace, Ratio, Variant } from './variant.ts';

export interface StoryContext {
  readonly outcome: SearchOutcome;
  readonly goal: Goal;
  readonly rates: Rates;
}

const figure = (value: number, unit: string, low?: number, high?: number): Figure => ({
  value,
  unit,
  low,
  high,
});

/** The model as given: the median over all races, so that one busy moment of the machine does not set the scale. */
export function baselinePace({ variants }: SearchOutcome): Pace | undefined {
  const paces = variants.flatMap(({ timing }) => (timing === undefined ? [] : [timing.given]));
  if (paces.length === 0) return undefined;
  // Short races leave the latency of a single call open.
  const middle = (pick: (pace: Pace) => number) => {
    const known = paces.map(pick).filter(Number.isFinite);
    return known.length === 0 ? Number.NaN : median(known);
  };
  return {
    throughput: middle(({ throughput }) => throughput),
    latency: middle(({ latency }) => latency),
    cpuPerSample: middle(({ cpuPerSample }) => cpuPerSample),
    p99: middle(({ p99 }) => p99),
  };
}

function rateFigures(
  pace: { throughput: number; cpuPerSample: number },
  rates: Rates,
): Pick<StoryFigures, 'cost' | 'energy' | 'cpu'> {
  const throughput: Measurement = {
    what: 'throughput',
    value: pace.throughput,
    unit: '1/s',
    how: 'measured',
    method: 'paired closed loop',
    n: 1,
    machine: '',
    at: '',
  };
  const { watts } = rates;
  const joules = (perCore: number) => pace.cpuPerSample * perCore;
  return {
    cost: figure(costPerMillion(throughput, { price: rates.price, utilisation: 1 })[0]!.value, 'USD'),
    energy: watts && figure(joules(watts.value), 'J', joules(watts.low), joules(watts.high)),
    cpu: figure(pace.cpuPerSample, 's'),
  };
}

function figuresOf(variant: Variant, context: StoryContext): StoryFigures {
  const { rates, outcome } = context;
  const { metric } = outcome;
  const { evaluation, drop, heldOut, timing } = variant;
  const accuracy = (at: typeof evaluation) =>
    at === undefined ? undefined : figure(at.value, metric.unit, at.interval.low, at.interval.high);
  const loss = (at: typeof drop) =>
    at === undefined ? undefined : figure(at.value, metric.unit, at.interval.low, at.interval.high);
  const common: StoryFigures = {
    accuracy: accuracy(evaluation),
    drop: loss(drop),
    heldOutAccuracy: accuracy(heldOut?.evaluation),
    heldOutDrop: loss(heldOut?.drop),
    size: figure(variant.bytes, 'B'),
  };
  const pace = baselinePace(outcome);
  if (pace === undefined) return common;
  if (variant === outcome.baseline) {
    return {
      ...common,
      latency: figure(pace.latency, 'ms'),
      p99: figure(pace.p99, 'ms'),
      throughput: figure(pace.throughput, '1/s'),
      speedup: figure(1, '1'),
      latencyRatio: figure(1, '1'),
      ...rateFigures(pace, rates),
    };
  }
  if (timing === undefined) return common;
  const { throughput, latency, cpu } = timing;
  const single = Number.isFinite(latency.value) || undefined;
  const scaled = (by: number, ratio: Ratio, unit: string) =>
    figure(by * ratio.value, unit, by * ratio.low, by * ratio.high);
  return {
    ...common,
    latency: single && scaled(pace.latency, latency, 'ms'),
    p99: figure(timing.p99, 'ms'),
    throughput: scaled(pace.throughput, throughput, '1/s'),
    speedup: scaled(1, throughput, '1'),
    latencyRatio: single && scaled(1, latency, '1'),
    ...rateFigures(
      { throughput: pace.throughput * throughput.value, cpuPerSample: pace.cpuPerSample * cpu.value },
      rates,
    ),
  };
}

export function storyVariants(context: StoryContext): StoryVariant[] {
  return context.outcome.variants.map((variant) => ({
    id: variant.id,
    title: variant.title,
    recipe: variant.recipe.map(({ words }) => words),
    status: variant.status,
    why: variant.why,
    settings: { run: settingsInWords(variant.settings) },
    figures: figuresOf(variant, context),
  }));
}

/** What is told in one or two sentences. */
export function verdictOf(context: StoryContext): string {
  const { outcome, goal } = context;
  const { metric } = outcome;
  const { chosen } = outcome;
  if (chosen === undefined) {
    return 'Nothing that was tried surely beats the model as given within the goal: the bundle ships it as it is.';
  }
  const { timing, heldOut } = chosen;
  const loss = chosen.faithful
    ? 'and computes the same up to rounding'
    : `and loses at most ${lossInWords(Math.max(0, heldOut?.drop.interval.high ?? 0), metric.unit)} of ${metric.name} (${heldOut?.drop.n} held-out samples, ${(goal.confidence * 100).toFixed(0)} % sure)`;
  const smaller = outcome.baseline.bytes / chosen.bytes;
  const size = smaller > 1.2 ? `, in a file ${smaller.toFixed(1)} times smaller,` : '';
  const faster = 1 / (timing?.latency.value ?? 1);
  const pace = Math.abs(faster - 1) <= ALIKE_WITHIN ? 'as fast' : `${faster.toFixed(2)} times as fast`;
  return `${chosen.title} gives ${timing?.throughput.value.toFixed(2)} times the throughput of the model as given, answers a single call ${pace}${size} ${loss}.`;
}

/** The chosen recipe, step by step, as far as its steps were measured as variants of their own. */
export function stepsOf(context: StoryContext): StoryStep[] {
  const { outcome } = context;
  const { chosen, baseline, variants } = outcome;
  if (chosen === undefined) return [];
  const clean = variants.find((variant) => variant.id === 'clean');
  const line = [baseline, clean, chosen].filter(
    (variant, at, all): variant is Variant => variant !== undefined && all.indexOf(variant) === at,
  );
  return line.map((variant) => {
    const { throughput, latency, accuracy, size } = figuresOf(variant, context);
    const words =
      variant === baseline ? ['as given, runtime defaults'] : [...variant.recipe.map((step) => step.words)];
    if (variant !== baseline) words.push(settingsInWords(variant.settings));
    return { title: words.join(' → '), throughput, latency, accuracy, size };
  });
}

/** Every look of the search, as the report tells it. */
export function storyLooks({ outcome }: StoryContext): StoryLook[] {
  return outcome.looks.map(({ point, rung, why, variant, settings, observation, seconds }) => ({
    what: variant?.title ?? wordsOf(point),
    settings: settingsInWords(settings),
    rung,
    why,
    objective: observation.objective,
    drop: variant?.drop?.value,
    failed: observation.failed,
    seconds,
  }));
}

/** A point in words, where no variant came of it. */
export function wordsOf(point: Point): string {
  return Object.entries(point)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}
