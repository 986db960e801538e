import { fail } from '../../base/index.ts';
import { binaryCrossEntropy } from './binary-cross-entropy.ts';
import { crossEntropy } from './cross-entropy.ts';
import { cosine, mse } from './distance.ts';
import { binaryKl, kl } from './kl.ts';
import type { Loss } from './loss.ts';

/** Every loss by name: a new one is a file, its test and a line here. */
export const LOSSES = {
  'cross-entropy': crossEntropy,
  'binary-cross-entropy': binaryCrossEntropy,
  kl,
  'binary-kl': binaryKl,
  mse,
  cosine,
} as const satisfies Record<string, Loss>;

export type LossName = keyof typeof LOSSES;

/** Throws USAGE_BAD_OPTION, naming those there are. */
export function lossByName(name: string): Loss {
  const found: Loss | undefined = Object.hasOwn(LOSSES, name) ? LOSSES[name as LossName] : undefined;
  if (found !== undefined) return found;
  throw fail('USAGE_BAD_OPTION', `no loss "${name}"; there are ${Object.keys(LOSSES).join(', ')}`);
}
