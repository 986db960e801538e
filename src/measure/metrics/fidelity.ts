import { fail } from '../../base/index.ts';
import { isFloat } from '../../graph/index.ts';
import { decisionOf } from './classification.ts';
import type { Observed } from './metric.ts';
import type { MetricMaker, MetricOptions } from './options.ts';
import { elementsOf, meanOfRows, outputName, perSample, type Scores, scoresIn } from './values.ts';

/** One output of both models. */
export interface Both {
  readonly name: string;
  readonly ours: ArrayLike<number>;
  readonly theirs: ArrayLike<number>;
  /** Elements per sample. */
  readonly width: number;
}

function referenceOf(observed: Observed, metric: string) {
  if (observed.reference !== undefined) return observed.reference;
  throw fail('METRIC_UNFIT', `${metric} compares with another model and none is given`, {
    hint: 'Give --against MODEL.',
  });
}

/** Pairs the outputs by name: the one that the options name, else all that hold floats (all, where none does). */
export function bothOf(observed: Observed, options: MetricOptions, metric: string): Both[] {
  const reference = referenceOf(observed, metric);
  const all = Object.keys(reference);
  const floats = all.filter((name) => isFloat(reference[name]!.dtype));
  const names = options.output ? [outputName(reference, options)] : floats.length > 0 ? floats : all;
  return names.map((name) => {
    const theirs = perSample(reference[name]!, name, observed.samples);
    const ours = observed.outputs[name];
    if (ours === undefined || ours.size !== theirs.size) {
      const found = ours ? `[${ours.dims}]` : 'missing';
      throw fail(
        'METRIC_UNFIT',
        `output ${name} is [${theirs.dims}] in the reference and ${found} in the model`,
        {
          output: name,
          hint: 'Compare models of the same outputs.',
        },
      );
    }
    const width = theirs.size / observed.samples;
    return { name, ours: elementsOf(ours, name), theirs: elementsOf(theirs, name), width };
  });
}

/** The scores of both models under one output name. */
export function bothScores(
  observed: Observed,
  options: MetricOptions,
  metric: string,
): { ours: Scores; theirs: Scores } {
  const reference = referenceOf(observed, metric);
  const name = outputName(reference, options);
  bothOf(observed, { ...options, output: name }, metric);
  const read = (tensor = observed.outputs[name]!) => scoresIn(tensor, name, observed.samples, options);
  return { ours: read(), theirs: read(perSample(reference[name]!, name, observed.samples)) };
}

/**
 * Share of decisions that equal the reference's, in one output (the first unless told). A sample with many decisions
 * (tokens, anchors) has its own share. NaN never agrees.
 */
export const agreement: MetricMaker = (options = {}) => {
  let single = true;
  return {
    name: 'agreement',
    summary: 'share of decisions equal to those of the reference model',
    needs: { labels: false, reference: true },
    higherIsBetter: true,
    unit: '%',
    width: 1,
    /** Where samples have one decision each; known after the first batch. */
    get proportion() {
      return single;
    },
    rows(observed, rows) {
      const { ours, theirs } = bothScores(observed, options, 'agreement');
      single &&= ours.positions === 1;
      const threshold = options.threshold ?? 0.5;
      for (let i = 0; i < ours.samples; i++) {
        let same = 0;
        for (let at = i * ours.positions; at < (i + 1) * ours.positions; at++) {
          const decision = decisionOf(ours, at, threshold);
          if (decision !== -1 && decision === decisionOf(theirs, at, threshold)) same++;
        }
        rows.push(same / ours.positions);
      }
    },
    aggregate: (rows, chosen) => 100 * meanOfRows(rows, chosen),
  };
};

/** Cosine of the angle between both outputs of a sample, mean over outputs and samples. 1 for two zero vectors, 0 for NaN. */
export const cosine: MetricMaker = (options = {}) => ({
  name: 'cosine',
  summary: 'cosine similarity to the outputs of the reference model',
  needs: { labels: false, reference: true },
  higherIsBetter: true,
  unit: '1',
  width: 1,
  proportion: false,
  rows(observed, rows) {
    const outputs = bothOf(observed, options, 'cosine');
    for (let i = 0; i < observed.samples; i++) {
      let sum = 0;
      for (const { ours, theirs, width } of outputs) {
        let [dot, own, other] = [0, 0, 0];
        for (let at = i * width; at < (i + 1) * width; at++) {
          dot += ours[at]! * theirs[at]!;
          own += ours[at]! ** 2;
          other += theirs[at]! ** 2;
        }
        const value = own === 0 && other === 0 ? 1 : dot / Math.sqrt(own * other);
        sum += Number.isFinite(value) ? value : 0;
      }
      rows.push(sum / outputs.length);
    }
  },
  aggregate: (rows, chosen) => meanOfRows(rows, chosen),
});

/** Beyond it the difference is that of float arithmetic at best, and infinite values would spoil every interval. */
const SQNR_LIMIT = 200;

/**
 * Signal to quantization noise, 10 log10(sum reference² / sum (output - reference)²) over the samples; of the worst output
 * where there are several. Within +-200 dB; a NaN output is -200.
 */
export const sqnr: MetricMaker = (options = {}) => {
  let outputs = 0;
  return {
    name: 'sqnr',
    summary: 'signal-to-noise ratio against the outputs of the reference model, of the worst output',
    needs: { labels: false, reference: true },
    higherIsBetter: true,
    unit: 'dB',
    /** [signal, noise] per output; known after the first batch. */
    get width() {
      return 2 * outputs;
    },
    proportion: false,
    rows(observed, rows) {
      const pairs = bothOf(observed, options, 'sqnr');
      outputs = pairs.length;
      for (let i = 0; i < observed.samples; i++) {
        for (const { ours, theirs, width } of pairs) {
          let [signal, noise] = [0, 0];
          for (let at = i * width; at < (i + 1) * width; at++) {
            // An infinite reference (a masked logit) that is met costs nothing and tells nothing.
            if (ours[at] === theirs[at] && !Number.isFinite(theirs[at]!)) continue;
            signal += theirs[at]! ** 2;
            noise += (ours[at]! - theirs[at]!) ** 2;
          }
          rows.push(signal, Number.isNaN(noise) ? Number.POSITIVE_INFINITY : noise);
        }
      }
    },
    aggregate(rows, chosen) {
      let worst = SQNR_LIMIT;
      for (let output = 0; output < outputs; output++) {
        const signal = meanOfRows(rows, chosen, 2 * outputs, 2 * output);
        const noise = meanOfRows(rows, chosen, 2 * outputs, 2 * output + 1);
        const decibels = noise === 0 ? SQNR_LIMIT : 10 * Math.log10(signal / noise);
        worst = Math.min(worst, Math.max(-SQNR_LIMIT, Number.isNaN(decibels) ? -SQNR_LIMIT : decibels));
      }
      return worst;
    },
  };
};

/** Largest absolute difference of any output value. NaN counts as infinite. */
export const maxError: MetricMaker = (options = {}) => ({
  name: 'max-error',
  summary: 'largest absolute difference to any output value of the reference model',
  needs: { labels: false, reference: true },
  higherIsBetter: false,
  unit: '1',
  width: 1,
  proportion: false,
  rows(observed, rows) {
    const outputs = bothOf(observed, options, 'max-error');
    for (let i = 0; i < observed.samples; i++) {
      let worst = 0;
      for (const { ours, theirs, width } of outputs) {
        for (let at = i * width; at < (i + 1) * width; at++) {
          const difference = ours[at] === theirs[at] ? 0 : Math.abs(ours[at]! - theirs[at]!);
          if (Number.isNaN(difference)) worst = Number.POSITIVE_INFINITY;
          else if (difference > worst) worst = difference;
        }
      }
      rows.push(worst);
    }
  },
  aggregate(rows, chosen) {
    let worst = 0;
    for (let i = 0; i < (chosen?.length ?? rows.length); i++)
      worst = Math.max(worst, rows[chosen ? chosen[i]! : i]!);
    return worst;
  },
});
