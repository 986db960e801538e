import type { Story, StoryVariant } from '../../src/report/index.ts';

const fig = (value: number, unit: string, low?: number, high?: number) => ({ value, unit, low, high });

function variant(id: string, status: StoryVariant['status'], at: number): StoryVariant {
  return {
    id,
    title: id,
    recipe: ['clean'],
    status,
    why: `why ${id} is ${status}`,
    settings: { batch: 16, threads: 1, instances: 2 },
    figures: {
      accuracy: fig(92 - at * 0.3, '%', 90.5 - at * 0.3, 93.2 - at * 0.3),
      drop: fig(at * 0.3, '%', at * 0.3 - 0.2, at * 0.3 + 0.2),
      latency: fig(0.9 / (at + 1), 'ms', 0.8 / (at + 1), 1 / (at + 1)),
      throughput: fig(1200 * (at + 1), '1/s'),
      speedup: fig(at + 1, '1', at + 0.9, at + 1.1),
      latencyRatio: fig(1 / (at + 1), '1'),
      cost: fig(0.021 / (at + 1), 'USD'),
      energy: fig(0.0042 / (at + 1), 'J'),
      size: fig(96_000 / (at + 1), 'B'),
    },
  };
}

/** A story with every part filled in, for the tests of what draws it. */
export function sampleStory(): Story {
  return {
    model: { name: 'keyword <spotter>.onnx', bytes: 96_000, sha256: 'ab'.repeat(32) },
    data: {
      name: 'data.npz',
      size: 2800,
      calibration: 512,
      search: 840,
      heldOut: 1448,
      rule: 'seeded shuffle',
    },
    metric: { name: 'top1', unit: '%', higherIsBetter: true },
    goal: { minimize: 'cost', maxDrop: 1, confidence: 0.95 },
    verdict:
      'int8 static (mse) does the job 3.9 times as fast as the model given, losing 0.2 points at most.',
    met: true,
    variants: [
      variant('as given', 'baseline', 0),
      variant('clean fp32', 'front', 0.4),
      variant('int8 dynamic', 'dominated', 0.3),
      variant('int8 static (mse)', 'chosen', 2.9),
      variant('int4 weights', 'rejected', 3.4),
    ],
    chosen: 'int8 static (mse)',
    layers: {
      before: [
        { name: 'conv1', op: 'Conv', us: 120 },
        { name: 'dw1', op: 'Conv', us: 45 },
        { name: 'fc', op: 'Gemm', us: 9 },
      ],
      after: [
        { name: 'conv1_quant', op: 'QLinearConv', us: 31 },
        { name: 'dw1', op: 'Conv', us: 44 },
        { name: 'fc_quant', op: 'QGemm', us: 3 },
      ],
    },
    sensitivity: [
      { node: 'conv1', op: 'Conv', sqnr: 21 },
      { node: 'fc', op: 'Gemm', sqnr: 38 },
    ],
    steps: [
      { title: 'as given', throughput: fig(1200, '1/s'), latency: fig(0.9, 'ms'), accuracy: fig(92, '%') },
      {
        title: 'int8 static',
        throughput: fig(4600, '1/s'),
        latency: fig(0.3, 'ms'),
        accuracy: fig(91.8, '%'),
      },
    ],
    fusion: [{ node: 'conv1', op: 'Conv', status: 'fused', why: 'QLinearConv' }],
    skipped: [{ what: 'int8 static (entropy)', why: 'the budget of 20 s was spent' }],
    machine: [['processor', 'two cores']],
    records: [
      {
        what: 'latency.p50',
        value: 0.9,
        unit: 'ms',
        how: 'measured',
        method: 'closed loop',
        n: 1000,
        machine: 'm',
        at: '2026-01-01T00:00:00Z',
        interval: { low: 0.8, high: 1, level: 0.95, method: 'order statistics' },
      },
    ],
    seed: 1,
    seconds: 12.3,
    at: '2026-01-01T00:00:00Z',
    version: '0.1.0',
  };
}
