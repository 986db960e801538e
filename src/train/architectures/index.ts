import { fail } from '../../base/index.ts';
import type { Architecture } from './architecture.ts';
import { dsCnn } from './ds-cnn.ts';
import { mlp } from './mlp.ts';
import { mobilenet } from './mobilenet.ts';
import { recommender } from './recommender.ts';
import { residualCnn } from './residual-cnn.ts';
import { transformer } from './transformer.ts';

/** The light architectures, by name: a new one is a file, its test and a line here. */
export const ARCHITECTURES = {
  'ds-cnn': dsCnn,
  mobilenet,
  'residual-cnn': residualCnn,
  mlp,
  transformer,
  recommender,
} as const satisfies Record<string, Architecture>;

export type ArchitectureName = keyof typeof ARCHITECTURES;

/** One by its name; its options may come as data. Throws USAGE_BAD_OPTION, listing those that are. */
export function architectureByName(name: string): Architecture {
  if (Object.hasOwn(ARCHITECTURES, name)) return ARCHITECTURES[name as ArchitectureName];
  const names = Object.keys(ARCHITECTURES);
  throw fail('USAGE_BAD_OPTION', `architecture "${name}" is none of ${names.join(', ')}`, { names });
}
