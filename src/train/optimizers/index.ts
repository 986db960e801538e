import { fail } from '../../base/index.ts';
import { adam, adamw } from './adam.ts';
import type { Optimizer } from './optimizer.ts';
import { sgd } from './sgd.ts';

/** Every optimizer by name: a new one is a file, its test and a line here. */
export const OPTIMIZERS = { sgd, adam, adamw } as const satisfies Record<string, Optimizer>;

export type OptimizerName = keyof typeof OPTIMIZERS;

/** Throws USAGE_BAD_OPTION, naming those there are. */
export function optimizerByName(name: string): Optimizer {
  const found: Optimizer | undefined = Object.hasOwn(OPTIMIZERS, name)
    ? OPTIMIZERS[name as OptimizerName]
    : undefined;
  if (found !== undefined) return found;
  throw fail('USAGE_BAD_OPTION', `no optimizer "${name}"; there are ${Object.keys(OPTIMIZERS).join(', ')}`);
}
