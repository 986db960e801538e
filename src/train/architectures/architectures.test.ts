import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Random } from '../../base/index.ts';
import {
  assertValid,
  attr,
  costOf,
  type DType,
  encodeModel,
  inferShapes,
  type Model,
  sizeOf,
  Tensor,
} from '../../graph/index.ts';
import { type Fetches, openSession } from '../../run/index.ts';
import type { Architecture } from './architecture.ts';
import { ARCHITECTURES, type ArchitectureName, architectureByName } from './index.ts';
import { type OutputKind, sampleDims, type Task, type TaskInput, type TaskOutput } from './task.ts';

const input = (name: string, dims: readonly number[], dtype: DType = 'float32'): TaskInput => ({
  name,
  dtype,
  shape: ['batch', ...dims],
});
const ids = (name: string, vocabulary: number, dims: readonly number[] = []): TaskInput => ({
  ...input(name, dims, 'int64'),
  vocabulary,
});
const output = (name: string, kind: OutputKind, dims: readonly number[]): TaskOutput => ({
  name,
  dtype: 'float32',
  shape: [null, ...dims],
  kind,
});
const classes = (count: number) => [output('y', 'classes', [count])];

const TASKS = {
  digits: { inputs: [input('x', [1, 28, 28])], outputs: classes(10) },
  photo: { inputs: [input('x', [3, 72, 136])], outputs: classes(5) },
  keyword: { inputs: [input('x', [1, 49, 10])], outputs: classes(12) },
  frames: { inputs: [input('x', [20, 8])], outputs: classes(4) },
  tiny: { inputs: [input('x', [2, 1])], outputs: classes(2) },
  table: { inputs: [input('x', [9]), input('one', [])], outputs: [output('y', 'regression', [])] },
  tokens: { inputs: [ids('x', 50, [7])], outputs: classes(3) },
  clicks: {
    inputs: [ids('user', 30), ids('item', 20, [1]), ids('item.tags', 9, [4]), input('dense', [5])],
    outputs: [output('click', 'binary', [1])],
  },
  pair: { inputs: [ids('user', 30), ids('item', 20)], outputs: [output('stars', 'regression', [])] },
  // Its names are those that layers bear; the outputs have shapes of all kinds.
  driving: {
    inputs: [input('stem.conv', [3, 20, 33])],
    outputs: [
      output('head.pool', 'regression', []),
      output('pool', 'classes', [4]),
      output('boxes', 'classes', [2, 3]),
      output('seen', 'binary', [2]),
    ],
  },
  'driving numbers': {
    inputs: [input('fc1', [11])],
    outputs: [output('steering', 'regression', [1]), output('head', 'classes', [4])],
  },
} as const satisfies Record<string, Task>;
type TaskName = keyof typeof TASKS;

const PICTURES: readonly TaskName[] = ['digits', 'photo', 'keyword', 'frames', 'tiny', 'driving'];
const FIT: Readonly<Record<ArchitectureName, readonly TaskName[]>> = {
  'ds-cnn': PICTURES,
  mobilenet: PICTURES,
  'residual-cnn': PICTURES,
  mlp: Object.keys(TASKS) as TaskName[],
  transformer: ['keyword', 'frames', 'digits', 'tokens', 'tiny'],
  recommender: ['clicks', 'pair'],
};
const NAMES = Object.keys(ARCHITECTURES) as ArchitectureName[];

function feedsOf(task: Task, batch: number): Record<string, Tensor> {
  const random = new Random(5);
  return Object.fromEntries(
    task.inputs.map(({ name, shape, vocabulary }) => {
      const dims = [batch, ...sampleDims({ shape })];
      const count = { length: sizeOf(dims) };
      return [
        name,
        vocabulary === undefined
          ? Tensor.float32(
              dims,
              Array.from(count, () => random.normal()),
            )
          : Tensor.int64(
              dims,
              Array.from(count, () => random.below(vocabulary)),
            ),
      ];
    }),
  );
}

/** The outputs for batches of 1 and 5, after looking at their shapes. */
async function answers(model: Model, task: Task): Promise<Fetches> {
  const session = await openSession(model, { threads: 1 });
  try {
    for (const batch of [1, 5]) {
      const fetched = await session.run(feedsOf(task, batch));
      for (const { name, shape } of task.outputs) {
        assert.deepEqual(fetched[name]?.dims, [batch, ...sampleDims({ shape })], name);
        assert.ok(
          fetched[name].numbers().every((value) => Number.isFinite(value) && Math.abs(value) < 1e3),
          name,
        );
      }
      if (batch === 5) return fetched;
    }
  } finally {
    await session.dispose();
  }
  throw new Error('not reached');
}

for (const name of NAMES) {
  const architecture: Architecture = ARCHITECTURES[name];
  describe(name, () => {
    test('stands in the list under its name', () => assert.equal(architecture.name, name));

    for (const taskName of FIT[name]) {
      test(`${taskName}: valid, of known shapes, runs at any batch`, async () => {
        const task: Task = TASKS[taskName];
        assert.equal(architecture.fits(task), true);
        const model = architecture.build(task, { width: 0.25 }, new Random(1));
        assertValid(model);
        const shapes = inferShapes(model, {
          declared: false,
          inputShapes: Object.fromEntries(Object.entries(feedsOf(task, 3)).map(([key, x]) => [key, x.dims])),
        });
        assert.deepEqual(shapes.missing, []);
        for (const node of model.graph.nodes) {
          const shape = shapes.get(node.outputs[0]!)?.shape;
          assert.ok(shape?.every((dim) => typeof dim === 'number') && shape[0] === 3, node.name);
        }
        for (const { name, type } of model.graph.outputs) {
          assert.equal(type.kind === 'tensor' && type.shape?.[0], 'N');
          assert.equal(
            inferShapes(model).get(name)?.shape?.length,
            type.kind === 'tensor' && type.shape?.length,
          );
        }
        const fetched = await answers(model, task);
        // Samples differ, so answers do: the trunk is connected.
        const [first] = Object.values(fetched);
        assert.ok(new Set(first!.numbers()).size > 1);
      });
    }

    const others = Object.entries(TASKS).filter(([taskName]) => !FIT[name].includes(taskName as TaskName));
    test('refuses all other tasks and says why', { skip: others.length === 0 && 'it takes all' }, () => {
      for (const [taskName, task] of others) {
        const why = architecture.fits(task);
        assert.match(String(why), /^it (?:reads|pairs) /, taskName);
        assert.throws(() => architecture.build(task, {}, new Random(1)), {
          code: 'ARCHITECTURE_UNFIT',
          message: `An architecture does not fit the task: ${name}: ${why}`,
        });
      }
    });

    const task: Task = TASKS[FIT[name][0]!];
    const bytes = (seed: number | null, options = {}) =>
      encodeModel(architecture.build(task, options, seed === null ? null : new Random(seed)));
    test('the same seed makes the same bytes, another one others', () => {
      assert.deepEqual(bytes(3, { width: 0.5 }), bytes(3, { width: 0.5 }));
      assert.notDeepEqual(bytes(3, { width: 0.5 }), bytes(4, { width: 0.5 }));
    });

    test('width and depth change what it costs; the seed does not', () => {
      const macs = (options: object, random: Random | null = null) =>
        costOf(architecture.build(task, options, random)).total.macs;
      const [half, whole, twice] = [0.5, 1, 2].map((width) => macs({ width }));
      assert.ok(half! < 0.6 * whole! && twice! > 1.6 * whole!, `${[half, whole, twice]}`);
      assert.ok(macs({ depth: 2 }) > 1.02 * whole!);
      assert.ok(macs({ depth: 0.01 }) > 0);
      assert.equal(macs({ width: 0.5 }, new Random(1)), half);
      for (let width = 1 / 64, before = 0; width < 2; width += 1 / 64) {
        const now = macs({ width, depth: 0.3 });
        assert.ok(now >= before, `width ${width}`);
        before = now;
      }
    });

    test('refuses options that it lacks or that are of another kind', () => {
      const refused = (options: object, why: RegExp) =>
        assert.throws(() => architecture.build(task, options, null), {
          code: 'USAGE_BAD_OPTION',
          message: why,
        });
      refused({ widht: 1 }, /no "widht"; it has width, depth/);
      refused({ width: 0 }, /width is 0, not a number above 0/);
      refused({ width: '1' }, /width is "1", not a number/);
      refused({ depth: Number.NaN }, /depth is null, not a number/);
      refused({ probabilities: 1 }, /probabilities is 1, not true or false/);
    });
  });
}

describe('heads', () => {
  test('without probabilities logits, with them Softmax over the last axis and Sigmoid', async () => {
    for (const name of ['ds-cnn', 'mlp'] as const) {
      const make = (probabilities: boolean) =>
        ARCHITECTURES[name].build(TASKS.driving, { width: 0.25, probabilities }, new Random(2));
      const logits = await answers(make(false), TASKS.driving);
      const shares = await answers(make(true), TASKS.driving);
      assert.deepEqual(shares['head.pool']!.numbers(), logits['head.pool']!.numbers());
      for (const [i, value] of logits.seen!.numbers().entries()) {
        assert.ok(Math.abs(shares.seen!.numbers()[i]! - 1 / (1 + Math.exp(-value))) < 1e-6);
      }
      for (const [key, count] of [
        ['pool', 4],
        ['boxes', 3],
      ] as const) {
        const [values, shared] = [logits[key]!.numbers(), shares[key]!.numbers()];
        for (let at = 0; at < values.length; at += count) {
          const sum = values.slice(at, at + count).reduce((total, value) => total + Math.exp(value), 0);
          assert.ok(Math.abs(shared[at]! - Math.exp(values[at]!) / sum) < 1e-5, key);
        }
      }
    }
  });

  test('a recommender answers with a probability, unless logits are wanted', () => {
    const last = (options: object) =>
      ARCHITECTURES.recommender.build(TASKS.clicks, options, null).graph.nodes.at(-1)?.op;
    assert.equal(last({}), 'Sigmoid');
    assert.equal(last({ probabilities: false }), 'Gemm');
  });
});

test('tasks that no architecture can take', () => {
  const why = (task: Partial<Task>) =>
    ARCHITECTURES.mlp.fits({ inputs: TASKS.table.inputs, outputs: classes(3), ...task });
  assert.equal(why({ inputs: [] }), 'a task needs an input and an output');
  assert.equal(why({ inputs: [input('y', [3])] }), 'two inputs or outputs are named "y"');
  assert.match(String(why({ inputs: [input('x', [3], 'uint8')] })), /^input "x" is uint8; float32 is/);
  assert.match(String(why({ inputs: [input('x', [3], 'int64')] })), /its vocabulary is not given$/);
  assert.match(String(why({ inputs: [ids('x', 0)] })), /its vocabulary is not given$/);
  assert.match(
    String(why({ inputs: [{ ...input('x', []), shape: ['N', 'time', 3] }] })),
    /^input "x" is \[N, time, 3\]; all dimensions but the batch/,
  );
  assert.match(String(why({ inputs: [{ ...input('x', []), shape: [] }] })), /has no batch dimension/);
  assert.match(
    String(why({ outputs: [{ ...classes(3)[0]!, dtype: 'int64' }] })),
    /models answer with float32/,
  );
  assert.match(String(why({ outputs: classes(1) })), /classes stand in the last dimension/);
});

test('an architecture that is not there is named with those that are', () => {
  assert.equal(architectureByName('mlp'), ARCHITECTURES.mlp);
  assert.throws(() => architectureByName('toString'), {
    code: 'USAGE_BAD_OPTION',
    message: /"toString" is none of ds-cnn, mobilenet/,
  });
});

test('a picture is averaged in as many cells a side as wanted, and it has', () => {
  const build = (cells: number) =>
    architectureByName('residual-cnn').build(TASKS.digits, { cells } as object, new Random(1));
  const headOf = (cells: number) => build(cells).graph.initializers.get('head.weight')?.dims;
  assert.deepEqual(headOf(1), [10, 64]);
  assert.deepEqual(headOf(3), [10, 64 * 9]);
  // Of 28 rows 7 are left.
  assert.deepEqual(headOf(50), [10, 64 * 49]);
  const pool = build(3).graph.nodes.find(({ op }) => op === 'AveragePool')!;
  assert.deepEqual(pool.attributes.get('kernel_shape'), attr.ints([3, 3]));
  assert.deepEqual(pool.attributes.get('strides'), attr.ints([2, 2]));
});
