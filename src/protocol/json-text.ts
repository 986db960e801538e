import { fail, messageOf } from '../base/index.ts';
import type { Tensor } from '../graph/index.ts';
import type { Blame } from './blame.ts';
import { datatypeOf, isRawOnly } from './datatypes.ts';
import type { Parameters } from './parameters.ts';
import { MOST_DIMS } from './shape.ts';

/** Parses JSON. `what` is said of it where it is none. Throws `blame`. */
export function parseJson(text: string, what: string, blame: Blame): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw fail(blame, `${what} is no JSON: ${messageOf(cause).slice(0, 200)}`, {}, cause);
  }
}

const NUMBERS = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** The same valid JSON, where whole numbers that a double would round have become strings of their digits. */
export function parseExactly(text: string): unknown {
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    const quote = text.indexOf('"', at);
    const end = quote < 0 ? text.length : quote;
    parts.push(text.slice(at, end).replace(NUMBERS, quoted));
    at = quote < 0 ? end : endOfString(text, quote);
    parts.push(text.slice(end, at));
  }
  return JSON.parse(parts.join(''));
}

const quoted = (token: string): string =>
  /^-?\d{16,400}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token;

/** Behind the quote that ends the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
  return text.length;
}

/** True where a list of 64-bit integers, flat or nested no deeper than shapes are, holds numbers that JSON.parse has rounded. */
export function wasRounded(data: unknown, depth = 0): boolean {
  if (Array.isArray(data)) return depth < MOST_DIMS && data.some((one) => wasRounded(one, depth + 1));
  return typeof data === 'number' && Number.isInteger(data) && !Number.isSafeInteger(data);
}

/**
 * The elements of a tensor as a flat JSON list. 64-bit integers are written with all their digits; NaN and infinities, which JSON has no
 * numbers for, as "NaN", "Infinity", "-Infinity". Throws `blame` for FP16 and BF16.
 */
export function elementsText(name: string, tensor: Tensor, blame: Blame): string {
  if (isRawOnly(tensor.dtype)) {
    throw fail(
      blame,
      `${name} is ${datatypeOf(tensor.dtype)}, which only the binary form carries: ask for it with binary_data`,
    );
  }
  if (tensor.dtype === 'string') return JSON.stringify(tensor.strings());
  const data = tensor.data();
  if (tensor.dtype === 'bool')
    return `[${Array.from(data as Uint8Array, (value) => (value ? 'true' : 'false')).join()}]`;
  if (data instanceof Float32Array || data instanceof Float64Array) {
    return data.some(odd) ? `[${Array.from(data, floatText).join()}]` : JSON.stringify(Array.from(data));
  }
  return `[${data.join()}]`;
}

const odd = (value: number): boolean => !Number.isFinite(value) || Object.is(value, -0);

function floatText(value: number): string {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}

/** `{"name":...,"datatype":...,"shape":[...],...}` with the parts that a tensor has in JSON. */
export function tensorText(
  name: string,
  datatype: string,
  shape: readonly number[],
  rest: { readonly parameters?: Parameters; readonly data?: string },
): string {
  const head = `"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join()}]`;
  const parameters = rest.parameters === undefined ? '' : `,"parameters":${JSON.stringify(rest.parameters)}`;
  const data = rest.data === undefined ? '' : `,"data":${rest.data}`;
  return `{${head}${parameters}${data}}`;
}
