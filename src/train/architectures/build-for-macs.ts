import { fail, type Random } from '../../base/index.ts';
import { costOf, type Model } from '../../graph/index.ts';
import type { Architecture, CommonOptions } from './architecture.ts';
import type { Task } from './task.ts';

/** A model as wide as a budget lets it be. */
export interface Sized {
  readonly model: Model;
  /** The factor on all channels that was found. */
  readonly width: number;
  /** Multiply-accumulates of one sample, as of `costOf`. */
  readonly macs: number;
}

/** Widths are tried in steps of this. */
const STEP = 1 / 64;
const WIDEST = 16;

/**
 * The widest model whose MACs per sample are at most `macs`; widths go from 1/64 to 16 in steps of 1/64. Throws
 * ARCHITECTURE_UNFIT where the narrowest is too much already (fewer blocks, by `depth`, cost less), and as `build` does.
 */
export function buildForMacs<Options extends CommonOptions>(
  architecture: Architecture<Options>,
  task: Task,
  macs: number,
  random: Random,
  options: Partial<Omit<Options, 'width'>> = {},
): Sized {
  const at = (steps: number) => ({ ...options, width: steps * STEP }) as Partial<Options>;
  const cost = (steps: number) => costOf(architecture.build(task, at(steps), null)).total.macs;
  const least = cost(1);
  if (!(least <= macs)) {
    const why = `${architecture.name} takes ${least} MACs at its narrowest, not at most ${macs}`;
    throw fail('ARCHITECTURE_UNFIT', why, {
      architecture: architecture.name,
      hint: 'Allow more, give it fewer blocks by the option "depth", or choose another architecture.',
    });
  }
  // Doubling first: halving from the widest down would build models far larger than what is asked for.
  let [low, high] = [1, 2];
  while (high <= WIDEST / STEP && cost(high) <= macs) [low, high] = [high, 2 * high];
  high = Math.min(high, WIDEST / STEP + 1);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (cost(middle) <= macs) low = middle;
    else high = middle;
  }
  return { model: architecture.build(task, at(low), random), width: low * STEP, macs: cost(low) };
}
