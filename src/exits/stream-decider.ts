import { fail } from '../base/index.ts';
import { judge, type ScoreReading } from '../staged/index.ts';

/** When a stream is decided before its end. */
export interface StreamRule extends ScoreReading {
  /** By step, from the first; the last holds for all later ones. Infinity: not there. */
  readonly thresholds: readonly number[];
  /** Steps in a row that must be sure of the same class. */
  readonly consecutive: number;
  /** Steps that are heard at least, from 1. */
  readonly least: number;
}

export interface StreamDecision {
  readonly class: number;
  /** The least of the steps in a row that decided; at the end that of the last step. */
  readonly confidence: number;
  /** The step at which it was decided, from 1. */
  readonly step: number;
  /** False where the stream went to its end. */
  readonly early: boolean;
}

/** The last steps of one stream: which class they are sure of, and how sure. */
export class Run {
  readonly #length: number;
  #class = -1;
  #last: number[] = [];

  constructor(length: number) {
    this.#length = length;
  }

  /** How sure the last steps are together: the least of them where all say the same, else NaN. */
  push(best: number, confidence: number): number {
    if (best !== this.#class) this.#last = [];
    this.#class = best;
    this.#last.push(confidence);
    if (this.#last.length > this.#length) this.#last.shift();
    // Math.min keeps NaN: a step that knows nothing decides nothing.
    return this.#last.length < this.#length || best < 0 ? Number.NaN : Math.min(...this.#last);
  }
}

/** Decides one stream, step by step, as soon as it is sure. */
export class StreamDecider {
  readonly #rule: StreamRule;
  #run: Run;
  #step = 0;
  #latest: { best: number; confidence: number } | undefined;

  /** Throws USAGE_BAD_OPTION. */
  constructor(rule: StreamRule) {
    const { consecutive, least, thresholds } = rule;
    for (const [name, value] of Object.entries({ consecutive, least })) {
      if (!Number.isInteger(value) || value < 1) {
        throw fail('USAGE_BAD_OPTION', `${name} is a number of steps from 1, not ${value}`);
      }
    }
    if (thresholds.length === 0)
      throw fail('USAGE_BAD_OPTION', 'a stream is decided by one threshold at least');
    this.#rule = rule;
    this.#run = new Run(consecutive);
  }

  /** The scores of the classes after one more step. The decision, or undefined: go on. */
  push(scores: ArrayLike<number>): StreamDecision | undefined {
    const { thresholds, least } = this.#rule;
    const { confidence, best } = judge(scores, scores.length, this.#rule);
    this.#latest = { best: best[0]!, confidence: confidence[0]! };
    const sure = this.#run.push(best[0]!, confidence[0]!);
    const step = ++this.#step;
    const threshold = thresholds[Math.min(step, thresholds.length) - 1]!;
    if (step < least || !(sure >= threshold)) return undefined;
    return { class: best[0]!, confidence: sure, step, early: true };
  }

  /** The decision of a stream that has ended: what its last step says. Throws USAGE_BAD_OPTION before the first step. */
  end(): StreamDecision {
    if (this.#latest === undefined)
      throw fail('USAGE_BAD_OPTION', 'a stream without a step cannot be decided');
    const { best, confidence } = this.#latest;
    return { class: best, confidence, step: this.#step, early: false };
  }

  /** For the next stream. */
  restart(): void {
    this.#run = new Run(this.#rule.consecutive);
    this.#step = 0;
    this.#latest = undefined;
  }
}
