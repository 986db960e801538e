import { attr, makeGraph, makeModel, makeNode, Tensor, tensorType } from '../../graph/index.ts';
import { type OrtSession, openSession } from '../../run/index.ts';

/** Products of activations and weights that calibration needs, computed by the runtime in float32. */
export class Gram {
  readonly #session: OrtSession;

  private constructor(session: OrtSession) {
    this.#session = session;
  }

  static async open(): Promise<Gram> {
    const port = (name: string) => ({ name, type: tensorType('float32', [null, null]) });
    const scalar = { name: 'energy', type: tensorType('float32', []) };
    const nodes = [
      makeNode('Transpose', ['x'], ['turned'], { perm: attr.ints([1, 0]) }),
      makeNode('MatMul', ['turned', 'x'], ['gram']),
      makeNode('ReduceSum', ['x', 'rows'], ['sum'], { keepdims: attr.int(0) }),
      makeNode('MatMul', ['h', 'd'], ['hd']),
      makeNode('Mul', ['d', 'hd'], ['product']),
      makeNode('ReduceSum', ['product'], ['energy'], { keepdims: attr.int(0) }),
    ];
    const graph = makeGraph({
      inputs: ['x', 'h', 'd'].map(port),
      outputs: [port('gram'), { name: 'sum', type: tensorType('float32', [null]) }, scalar],
      nodes,
      initializers: new Map([['rows', Tensor.int64([1], [0])]]),
    });
    return new Gram(await openSession(makeModel(graph, 17, { irVersion: 8 })));
  }

  /** Over the batches, X the activations [..., k] as rows: the sum of X^T X [k, k], of the rows [k], and how many there were. */
  async of(
    batches: readonly Tensor[],
    k: number,
    signal?: AbortSignal,
  ): Promise<{ gram: Float64Array; sum: Float64Array; rows: number }> {
    const gram = new Float64Array(k * k);
    const sum = new Float64Array(k);
    let rows = 0;
    const none = empty();
    for (const batch of batches) {
      if (batch.size === 0) continue;
      const x = batch.reshape([batch.size / k, k]);
      const made = await this.#session.run({ x, h: none, d: none }, { outputs: ['gram', 'sum'], signal });
      made.gram!.as('float32').forEach((value, i) => {
        gram[i]! += value;
      });
      made.sum!.as('float32').forEach((value, i) => {
        sum[i]! += value;
      });
      rows += x.dims[0]!;
    }
    return { gram, sum, rows };
  }

  /** Sum over the columns d of a matrix [k, n] of d^T H d: what the outputs X D have in energy where H = X^T X. */
  async energy(h: Tensor, d: Tensor, signal?: AbortSignal): Promise<number> {
    const made = await this.#session.run({ x: empty(), h, d }, { outputs: ['energy'], signal });
    return made.energy!.numbers()[0]!;
  }

  async dispose(): Promise<void> {
    await this.#session.dispose();
  }
}

const empty = () => Tensor.float32([1, 1], [0]);
