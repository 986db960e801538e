import { fail } from '../base/index.ts';
import type { Port } from '../run/index.ts';

/** How a decoder with a cache is fed, told from its ports. */
export interface CacheForm {
  /** int64 or int32 [batch, seq]. */
  readonly ids: Port;
  /** [batch, past + seq], 1 for tokens that count. */
  readonly mask: Port | undefined;
  /** [batch, seq] */
  readonly positions: Port | undefined;
  /** Float [batch, seq, vocabulary]. */
  readonly logits: Port;
  /** Input to the output that is fed to it at the next step. */
  readonly carry: Readonly<Record<string, string>>;
  /** The axis of the tokens in every cache. */
  readonly axis: number;
}

const PAST = /^past(?:_key_values|_key_value)?(?=[._])/;
/** What exporters put in its place in the name of the output. */
const PRESENT = ['present', 'present_key_values', 'present_key_value'];
/** [batch, heads, tokens, head size], where the shape does not tell. */
const USUAL_AXIS = 2;

/** What names its caches as the exporters do. */
export function isGenerative(inputs: readonly Port[], outputs: readonly Port[]): boolean {
  return (
    inputs.some(({ name }) => name === 'input_ids') &&
    inputs.some(({ name }) => PAST.test(name)) &&
    outputs.some(({ name }) => name === 'logits')
  );
}

/**
 * The form of a decoder as Optimum and transformers.js have it: input_ids, past_key_values.N.key and .value, logits, present.N.key
 * and .value; attention_mask and position_ids where it has them. Throws NOT_GENERATIVE, naming what is missing or unknown.
 */
export function cacheForm(inputs: readonly Port[], outputs: readonly Port[]): CacheForm {
  const input = (name: string) => inputs.find((port) => port.name === name);
  const refuse = (why: string) =>
    fail('NOT_GENERATIVE', why, {
      inputs: inputs.map(({ name }) => name),
      outputs: outputs.map(({ name }) => name),
    });
  const [ids, mask, positions] = ['input_ids', 'attention_mask', 'position_ids'].map(input);
  const logits = outputs.find(({ name }) => name === 'logits');
  if (ids === undefined || logits === undefined)
    throw refuse('it has no input input_ids or no output logits');
  const carry: Record<string, string> = {};
  let axis: number | undefined;
  for (const port of inputs) {
    if (port === ids || port === mask || port === positions) continue;
    if (!PAST.test(port.name)) throw refuse(`its input ${port.name} is none that is known here`);
    const present = PRESENT.map((word) => port.name.replace(PAST, word));
    const output = outputs.find(({ name }) => present.includes(name));
    if (output === undefined) throw refuse(`no output goes with ${port.name}: there is no ${present[0]}`);
    const own = axisOf(port);
    if (own === undefined || (axis !== undefined && own !== axis)) {
      throw refuse(`${port.name} is [${port.shape}]: the axis of its tokens cannot be told`);
    }
    axis = own;
    carry[port.name] = output.name;
  }
  if (axis === undefined) throw refuse('it has no input past_key_values');
  return { ids, mask, positions, logits, carry, axis };
}

/** The free axis after the batch; the usual one where several are free. */
function axisOf({ shape }: Port): number | undefined {
  if (shape === undefined || shape.length !== 4) return undefined;
  const free = shape.flatMap((dim, axis) => (axis > 0 && typeof dim !== 'number' ? [axis] : []));
  return free.length === 1 ? free[0] : free.includes(USUAL_AXIS) ? USUAL_AXIS : undefined;
}
