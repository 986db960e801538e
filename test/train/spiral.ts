import { Random } from '../../src/base/index.ts';
import { type Dataset, inMemory } from '../../src/data/index.ts';
import { type Model, parseText, Tensor } from '../../src/graph/index.ts';
import { evaluate, metricByName } from '../../src/measure/index.ts';
import { openSession } from '../../src/run/index.ts';

/** Two inputs to three classes by an angle that turns with the radius: lines cannot tell them apart. */
export function spiral(samples: number, seed: number, labelled = true): Dataset {
  const random = new Random(seed);
  const x = new Float32Array(2 * samples);
  const labels: number[] = [];
  for (let i = 0; i < samples; i++) {
    const radius = random.uniform();
    const label = random.below(3);
    const angle = (2 * Math.PI * label) / 3 + 3 * radius + 0.2 * random.normal();
    x.set([radius * Math.cos(angle), radius * Math.sin(angle)], 2 * i);
    labels.push(label);
  }
  return inMemory(
    { x: Tensor.float32([samples, 2], x) },
    labelled ? Tensor.int64([samples], labels) : undefined,
  );
}

const HEAD = '<ir_version: 10, opset_import: ["" : 17]>';

/** A net of one hidden layer for it; `softmax`: whether it answers probabilities or scores. */
export function spiralNet(seed = 1, hidden = 32, softmax = true): Model {
  const model = parseText(`${HEAD} g (float[n, 2] x) => (float[n, 3] p) {
    a = MatMul(x, w1) b = Add(a, b1) c = Relu(b) d = MatMul(c, w2) ${softmax ? 'e = Add(d, b2) p = Softmax(e)' : 'p = Add(d, b2)'} }`);
  const random = new Random(seed);
  const weight = (dims: number[], scale: number) => {
    const size = dims.reduce((a, b) => a * b, 1);
    return Tensor.float32(
      dims,
      Float32Array.from({ length: size }, () => scale * random.normal()),
    );
  };
  model.graph.initializers.set('w1', weight([2, hidden], 1));
  model.graph.initializers.set('b1', weight([hidden], 0.5));
  model.graph.initializers.set('w2', weight([hidden, 3], 0.2));
  model.graph.initializers.set('b2', weight([3], 0));
  return model;
}

/** Share of right answers, in percent. */
export async function accuracy(model: Model, data: Dataset): Promise<number> {
  const session = await openSession(model);
  try {
    return (await evaluate(session, data, metricByName('top1'))).value;
  } finally {
    await session.dispose();
  }
}
