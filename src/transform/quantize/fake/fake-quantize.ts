import { type FunctionDef, type Model, makeNode, type Node } from '../../../graph/index.ts';

/** Domain and name of the operator that rounds to quantized numbers and stays in float. */
export const FAKE_QUANTIZE = { domain: 'modicum', op: 'FakeQuantize' } as const;

/**
 * y = clip(round(x / scale), low, high) * scale: what QuantizeLinear and DequantizeLinear make of x, in float. `scale` float32
 * above 0, broadcast to x; `low` and `high` float32 scalars, the ends of the type less the zero point, which need
 * not appear otherwise: it is whole, so that it passes through the rounding.
 */
export function fakeQuantizeNode(
  [x, scale, low, high]: readonly [x: string, scale: string, low: string, high: string],
  output: string,
  name: string,
): Node {
  const { op, domain } = FAKE_QUANTIZE;
  return makeNode(op, [x, scale, low, high], [output], {}, { name, domain });
}

export function isFakeQuantize({ op, domain }: Pick<Node, 'op' | 'domain'>): boolean {
  return op === FAKE_QUANTIZE.op && domain === FAKE_QUANTIZE.domain;
}

/** Lets a model hold FakeQuantize nodes: defines them as a function of its own, so that any runtime can run them. In place. */
export function defineFakeQuantize(model: Model): void {
  if (model.functions.some(({ name, domain }) => isFakeQuantize({ op: name, domain }))) return;
  const opset = model.opsets.get('') ?? 21;
  const definition: FunctionDef = {
    name: FAKE_QUANTIZE.op,
    domain: FAKE_QUANTIZE.domain,
    inputs: ['x', 'scale', 'low', 'high'],
    outputs: ['y'],
    attributes: [],
    defaults: new Map(),
    nodes: [
      makeNode('Div', ['x', 'scale'], ['steps'], {}, { name: 'steps' }),
      makeNode('Round', ['steps'], ['whole'], {}, { name: 'whole' }),
      makeNode('Clip', ['whole', 'low', 'high'], ['kept'], {}, { name: 'kept' }),
      makeNode('Mul', ['kept', 'scale'], ['y'], {}, { name: 'y' }),
    ],
    opsets: new Map([['', opset]]),
    values: new Map(),
  };
  model.functions.push(definition);
  model.opsets.set(FAKE_QUANTIZE.domain, 1);
}
