import { Random } from '../src/base/index.ts';
import { type Dataset, inMemory } from '../src/data/index.ts';
import { type Model, Tensor } from '../src/graph/index.ts';
import { architectureByName, train } from '../src/train/index.ts';

/** Points in four clouds, in 8 dimensions: `hard` of them lie between two clouds, where the label is a matter of a third number. */
export function clouds(samples: number, seed: number, labelled = true, hard = 0.3): Dataset {
  const random = new Random(seed);
  const x = new Float32Array(8 * samples);
  const slope = new Float32Array(samples);
  const labels: number[] = [];
  for (let i = 0; i < samples; i++) {
    const label = random.below(4);
    const difficult = random.uniform() < hard;
    const angle = (Math.PI / 2) * label;
    const [u, v] = [random.normal(), random.normal()];
    // Difficult ones bear the sign of their class in the product of two numbers, which one layer does not see.
    x.set(
      [
        (difficult ? 0.2 : 2) * Math.cos(angle) + 0.4 * random.normal(),
        (difficult ? 0.2 : 2) * Math.sin(angle) + 0.4 * random.normal(),
        u,
        difficult ? (label % 2 === 0 ? 1 : -1) * u + 0.05 * random.normal() : random.normal(),
        v,
        difficult ? (label < 2 ? 1 : -1) * v + 0.05 * random.normal() : random.normal(),
        difficult ? 1 : -1,
        random.normal(),
      ],
      8 * i,
    );
    slope[i] = x[8 * i]! - 0.5 * x[8 * i + 1]!;
    labels.push(label);
  }
  return inMemory(
    { x: Tensor.float32([samples, 8], x), slope: Tensor.float32([samples, 1], slope) },
    labelled ? Tensor.int64([samples], labels) : undefined,
  );
}

/** A trained net of five layers for `clouds`: classes (as probabilities or logits) and, if wanted, a slope. */
export async function cloudNet(options: { slope?: boolean; probabilities?: boolean } = {}): Promise<Model> {
  const { slope = false, probabilities = true } = options;
  const layers: Readonly<Record<string, unknown>> = { units: 48, layers: 4, probabilities };
  const net = architectureByName('mlp').build(
    {
      inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 8] }],
      outputs: [
        { name: 'class', dtype: 'float32', shape: ['N', 4], kind: 'classes' },
        ...(slope
          ? [{ name: 'slope', dtype: 'float32' as const, shape: ['N', 1], kind: 'regression' as const }]
          : []),
      ],
    },
    layers,
    new Random(2),
  );
  const { model } = await train(net, clouds(4000, 1), { epochs: 12, rate: 5e-3, seed: 1, batch: 100 });
  return model;
}
