import { join } from 'node:path';
import { Random } from '../../src/base/index.ts';
import { writeNpz } from '../../src/data/index.ts';
import { saveModel } from '../../src/files/index.ts';
import { type Model, makeGraph, makeModel, makeNode, Tensor, tensorType } from '../../src/graph/index.ts';
import { openSession } from '../../src/run/index.ts';
import { convNet, normals } from '../quantize-nets.ts';

/** A model and a data set that fit each other. */
export interface Pair {
  readonly model: string;
  readonly data: string;
}

const DIMS = [3, 16, 16];

/**
 * Writes net.onnx (a small convolutional net, 10 classes) and data.npz with `count` samples, labelled with what the net
 * answers. Of twice as many random samples those stay that the net is surest of: rounding then changes few answers.
 */
export async function writeConvPair(folder: string, count = 400): Promise<Pair> {
  const [model, data] = [join(folder, 'net.onnx'), join(folder, 'data.npz')];
  await saveModel(convNet(3), model);
  const x = normals(new Random(5), [count * 2, ...DIMS]);
  const session = await openSession(model, { threads: 1 });
  const outputs = await session.run({ x });
  await session.dispose();
  const [scores] = Object.values(outputs);
  const logits = scores!.as('float32');
  const rows = Array.from({ length: count * 2 }, (_, i) => {
    const row = [...logits.subarray(i * 10, i * 10 + 10)];
    const [first, second] = [...row].sort((a, b) => b - a);
    return { i, label: row.indexOf(first!), margin: first! - second! };
  });
  const kept = rows.sort((a, b) => b.margin - a.margin || a.i - b.i).slice(0, count);
  const size = DIMS.reduce((product, dim) => product * dim, 1);
  const values = x.as('float32');
  const picked = new Float32Array(count * size);
  kept.forEach(({ i }, at) => {
    picked.set(values.subarray(i * size, (i + 1) * size), at * size);
  });
  await writeNpz(data, {
    x: Tensor.float32([count, ...DIMS], picked),
    labels: Tensor.int64(
      [count],
      kept.map(({ label }) => label),
    ),
  });
  return { model, data };
}

/** y = op(x), of any domain and opset, x float32 [n, 4]. */
export function oneNode(op: string, opset = 17, domain = ''): Model {
  const model = makeModel(
    makeGraph({
      inputs: [{ name: 'x', type: tensorType('float32', ['n', 4]) }],
      outputs: [{ name: 'y', type: tensorType('float32', ['n', 4]) }],
      nodes: [makeNode(op, ['x'], ['y'], {}, { name: 'the-node', domain })],
    }),
    opset,
    { irVersion: 8 },
  );
  if (domain !== '') model.opsets.set(domain, 1);
  return model;
}
