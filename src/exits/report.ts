import type { Interval } from '../measure/index.ts';
import { pairedProportionInterval, wilsonInterval } from '../measure/index.ts';
import type { Answers } from './answers.ts';
import type { Calibration } from './calibrate.ts';
import type { PlaceRow } from './choose-places.ts';
import { stageOutput } from './every-stage.ts';
import type { StageRecord } from './tables.ts';
import {
  type Certificate,
  type ExitOutcome,
  type ExitTable,
  outcomeOf,
  type Thresholds,
} from './thresholds.ts';

/** A share with its interval, in [0, 1]. */
export interface Share {
  readonly value: number;
  readonly interval: Interval;
}

/** What one exit does; of the last row of a report: what the end of the model does. */
export interface ExitRow {
  readonly id: string;
  /** The node that it stands behind. */
  readonly node: string;
  /** Multiply-accumulates of a sample that leaves here. */
  readonly macs: number;
  /** Seconds a sample in batches, up to here, where measured. */
  readonly seconds?: number;
  /** Share of the test samples that leave here, and of these the share that is right (absent where none leaves). */
  readonly leaves: Share;
  readonly accuracy: Share | undefined;
  readonly threshold: number | undefined;
  readonly calibration: Calibration | undefined;
  readonly features: number | undefined;
  readonly pooling: string | undefined;
  readonly hidden: number | undefined;
}

/** How another output than the deciding one fares. */
export interface SideOutput {
  readonly output: string;
  /** Mean absolute difference from what the whole model answers, over the test samples. */
  readonly difference: number;
  /** Mean absolute error against the array of the data that bears its name, of the whole and of the staged model. */
  readonly error: { readonly whole: number; readonly staged: number } | undefined;
}

/** All that is to be said of a model with exits. Plain numbers, as --json writes them. */
export interface ExitReport {
  readonly decision: string;
  /** False: no labels, so that right means as the whole model answers. */
  readonly labelled: boolean;
  /** How the samples were divided. */
  readonly division: string;
  readonly joint: boolean;
  /** What `whole` stands for: the model as given, or its last stage, nobody leaving. */
  readonly against?: 'given' | 'end';
  /** What the choice of places and thresholds makes least. */
  readonly by?: 'macs' | 'time';
  readonly int8: boolean;
  /** Multiply-accumulates a sample of the whole model. */
  readonly wholeMacs: number;
  readonly places: readonly PlaceRow[];
  /** Exits that were trained and dropped again: under the certified thresholds nobody leaves there. */
  readonly dropped: readonly string[];
  readonly certificate: Certificate;
  readonly exits: readonly ExitRow[];
  readonly test: {
    readonly n: number;
    readonly whole: Share;
    readonly staged: Share;
    /** Accuracy of the whole model less that of the staged one. */
    readonly drop: Share;
    /** Mean multiply-accumulates a sample, and as a share of the whole model's. */
    readonly macs: number;
    readonly macsShare: number;
  };
  readonly others: readonly SideOutput[];
}

/** What became of the test samples, as shares with 95 % intervals. */
export function testFigures(
  table: ExitTable,
  thresholds: Thresholds,
  wholeMacs: number,
): Pick<ExitReport, 'test'> & { readonly outcome: ExitOutcome } {
  const outcome = outcomeOf(table, thresholds);
  const { n, lost, gained, macs, right } = outcome;
  const whole = table.whole.reduce((sum, one) => sum + one, 0);
  const interval = pairedProportionInterval({ onlyFirst: lost, onlySecond: gained, n });
  return {
    outcome,
    test: {
      n,
      whole: share(whole, n),
      staged: share(
        right.reduce((sum, one) => sum + one, 0),
        n,
      ),
      drop: { value: (lost - gained) / n, interval },
      macs,
      macsShare: macs / wholeMacs,
    },
  };
}

/** `count` of `n`, by Wilson's interval; n >= 1. */
export function share(count: number, n: number): Share {
  return { value: count / n, interval: wilsonInterval(count, n) };
}

/** How the outputs that do not decide fare on the test samples, where each leaves under the thresholds. */
export function sideOutputs(
  kept: StageRecord,
  table: ExitTable,
  thresholds: Thresholds,
  answers: Answers,
  truths: ReadonlyMap<string, Float32Array>,
): SideOutput[] {
  return answers.all
    .filter((answer) => answer !== answers.decision)
    .map(({ name, size }) => {
      const whole = kept.whole.values.get(name)!;
      const truth = truths.get(name);
      let [difference, ours, theirs] = [0, 0, 0];
      for (let i = 0; i < table.samples; i++) {
        let at = 0;
        while (at < thresholds.length && !(table.confidence[at]![i]! >= thresholds[at]!)) at++;
        const staged = kept.staged.values.get(stageOutput(at, name))!;
        for (let j = i * size; j < (i + 1) * size; j++) {
          difference += Math.abs(staged[j]! - whole[j]!);
          if (truth === undefined) continue;
          ours += Math.abs(staged[j]! - truth[j]!);
          theirs += Math.abs(whole[j]! - truth[j]!);
        }
      }
      const count = Math.max(1, table.samples * size);
      return {
        output: name,
        difference: difference / count,
        error: truth === undefined ? undefined : { whole: theirs / count, staged: ours / count },
      };
    });
}
