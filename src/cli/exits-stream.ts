import { fail } from '../base/index.ts';
import { type StreamExitsResult, streamExits } from '../exits/index.ts';
import type { Model } from '../graph/index.ts';
import { textTable } from '../report/index.ts';
import { numberOf, wholeOf } from './options.ts';

/** What --stream and its companions say. */
export function streamOptions(options: Readonly<Record<string, unknown>>): {
  readonly axis: number;
  readonly hop: number;
  readonly fill: number;
  readonly as: 'prefix' | 'sliding';
} {
  if (options.hop === undefined) {
    throw fail('USAGE_BAD_OPTION', '--hop is missing', {
      hint: 'Say how many frames one step of the stream is.',
    });
  }
  return {
    axis: wholeOf('stream', options.stream, 1, 16),
    hop: wholeOf('hop', options.hop, 1, 1e6),
    fill: numberOf('fill', options.fill ?? 0),
    as: options.sliding === true ? 'sliding' : 'prefix',
  };
}

/** Decides streams early; the report as text. */
export async function streamed(
  model: Model,
  options: Parameters<typeof streamExits>[1],
): Promise<{ readonly text: string; readonly result: StreamExitsResult }> {
  const result = await streamExits(model, options);
  return { text: streamText(result), result };
}

const percent = (value: number) => `${(100 * value).toFixed(2)} %`;
const points = (value: number) => (100 * value).toFixed(2);

function streamText({ report, labelled, parts }: StreamExitsResult): string {
  const { rule, certificate, steps, test } = report;
  const rows = test.decided.map((share, i) => {
    const threshold = rule.thresholds[i]!;
    return [
      i === steps - 1 ? 'the end' : `step ${i + 1}`,
      Number.isFinite(threshold) ? threshold.toFixed(4) : '–',
      percent(share),
    ];
  });
  const table = textTable(['decided at', 'threshold', 'streams'], rows, ['left', 'right', 'right']);
  const { outcome, maxDrop, confidence, pValue, n } = certificate;
  const what = labelled
    ? `the accuracy falls by no more than ${points(maxDrop)} points`
    : `at most ${points(maxDrop)} % of the decisions differ from those at the end`;
  const promise =
    outcome === 'certified'
      ? `certified at ${percent(confidence)}: ${what} (${n} streams apart, p = ${pValue.toPrecision(2)})`
      : `infeasible: it cannot be certified at ${percent(confidence)} that ${what}; every stream is heard to its end`;
  const { low, high } = test.drop.interval;
  return [
    table,
    promise,
    ` ${rule.consecutive} step${rule.consecutive === 1 ? '' : 's'} in a row must agree`,
    ` ${labelled ? 'accuracy' : 'agreement'}: ${percent(test.early.value)}, at the end ${percent(test.atEnd.value)}; fall ${points(test.drop.value)} points (${points(low)} to ${points(high)})`,
    ` heard: ${test.meanSteps.toFixed(2)} of ${steps} steps on average, ${percent(test.saved)} saved`,
    ` samples: ${parts.rule}`,
  ].join('\n');
}
