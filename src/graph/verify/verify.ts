import { fail } from '../../base/index.ts';
import type { Model } from '../model.ts';
import { FUNCTION_RULES } from './functions.ts';
import { NODE_RULES } from './nodes.ts';
import type { Finding, Rule } from './rule.ts';
import { scopesOf } from './scopes.ts';
import { VALUE_RULES } from './values.ts';

/** The rules of ONNX that are checked, by name. What single operators demand of their inputs is not among them. */
export const RULES = { ...VALUE_RULES, ...NODE_RULES, ...FUNCTION_RULES } as const satisfies Record<
  string,
  Rule
>;

const TABLE: readonly (readonly [string, Rule])[] = Object.entries(RULES);

/** Every breach of a rule, in the order of the table; [] for a sound model. Weights are not read. */
export function verify(model: Model): Finding[] {
  const findings: Finding[] = [];
  const scopes = [...scopesOf(model)];
  for (const [rule, { model: ofModel, scope: ofScope }] of TABLE) {
    for (const found of ofModel?.(model) ?? []) findings.push({ rule, where: 'model', ...found });
    if (ofScope === undefined) continue;
    for (const scope of scopes) {
      for (const found of ofScope(scope, model)) findings.push({ rule, where: scope.path, ...found });
    }
  }
  return findings;
}

const SHOWN = 3;

/** Throws MODEL_INVALID with the first findings (all of them in `data.findings`) where a rule is broken. */
export function assertValid(model: Model): void {
  const findings = verify(model);
  if (findings.length === 0) return;
  const shown = findings.slice(0, SHOWN).map(({ where, message, rule }) => `${where}: ${message} (${rule})`);
  const more = findings.length > SHOWN ? ` and ${findings.length - SHOWN} more` : '';
  throw fail('MODEL_INVALID', shown.join('; ') + more, { findings });
}
