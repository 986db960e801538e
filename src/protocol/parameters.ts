import { fail } from '../base/index.ts';
import type { Blame } from './blame.ts';
import { shown } from './datatypes.ts';

/** Parameters of a request, a tensor or an answer. 64-bit integers that no double holds come as decimal strings. */
export type Parameters = Readonly<Record<string, string | number | boolean>>;

const NONE: Parameters = Object.freeze({});

/** Throws `blame` where a value is neither string, number nor boolean. */
export function readParameters(value: unknown, where: string, blame: Blame): Parameters {
  if (value === undefined) return NONE;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fail(blame, `${where}: parameters must be an object, not ${shown(value)}`);
  }
  for (const [name, one] of Object.entries(value)) {
    if (typeof one !== 'string' && typeof one !== 'number' && typeof one !== 'boolean') {
      throw fail(
        blame,
        `${where}: parameter ${shown(name)} is ${shown(one)}; strings, numbers and booleans are carried`,
      );
    }
  }
  return value as Parameters;
}

/** A parameter, if it is there and not inherited. */
export function parameterOf(parameters: Parameters, name: string): string | number | boolean | undefined {
  return Object.hasOwn(parameters, name) ? parameters[name] : undefined;
}

/** A boolean parameter, if it is there. Throws `blame`. */
export function flagOf(
  parameters: Parameters,
  name: string,
  where: string,
  blame: Blame,
): boolean | undefined {
  const value = parameterOf(parameters, name);
  if (value === undefined || typeof value === 'boolean') return value;
  throw fail(blame, `${where}: parameter ${name} is ${shown(value)}; it must be true or false`);
}

/** A whole number from 0 up, if it is there. Throws `blame`. */
export function countOf(
  parameters: Parameters,
  name: string,
  where: string,
  blame: Blame,
): number | undefined {
  const value = parameterOf(parameters, name);
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)) {
    return value as number | undefined;
  }
  throw fail(blame, `${where}: parameter ${name} is ${shown(value)}; it must be a whole number from 0 up`);
}
