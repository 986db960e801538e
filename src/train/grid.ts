import { type OpColumn, type OpSpec, opsGrid } from '../graph/index.ts';
import { gradientRuleOf } from './differentiate/differentiate.ts';
import { expansionOf } from './expand/index.ts';
import { STOPS } from './gradients/rule.ts';

function trains(spec: OpSpec): string {
  if (expansionOf(spec) !== undefined) return 'expanded to plain operators';
  const rule = gradientRuleOf(spec);
  if (rule === undefined) return '-';
  return rule === STOPS ? 'nothing flows back' : 'gradient';
}

/** The column of docs/gradients.md. */
const TRAINS: OpColumn = { title: 'Trains', cell: trains };

/** Markdown: of every operator that is known, whether it can stand between weights and a loss. */
export function gradientsGrid(): string {
  return opsGrid([TRAINS]);
}
