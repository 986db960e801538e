import type { ProviderName } from '../../run/index.ts';
import { fallbackCounts } from '../fallback.ts';
import type { Objective } from '../goal.ts';
import type { Dimension, Point, Space, Value } from './dimension.ts';

/** Shares of the multiply-accumulates of a model by the kind of operator. */
export interface OpMix {
  readonly conv: number;
  readonly matmul: number;
  readonly recurrent: number;
}

/** What decides which choices there are: the model, the machine and what was given. */
export interface SpaceFacts {
  readonly mix: OpMix;
  /** Layers that multiply and accumulate. */
  readonly layers: number;
  /** Ways of making a smaller model by training: `pruned`, `shallower`, names of architectures; none without training data. */
  readonly families: readonly string[];
  /** The processor lacks dot products of 8-bit numbers, so that 7-bit weights may keep more accuracy. */
  readonly saturates: boolean;
  readonly cores: number;
  readonly largestBatch: number;
  /** Execution providers that really start here, the CPU's first. */
  readonly providers: readonly ProviderName[];
  readonly minimize: Objective;
  /** Why early exits are no choice; undefined where they are one. They are made last, on what the search found. */
  readonly noExits?: string;
}

/** Shares of the MACs that smaller models are made for, the largest first. */
export const SHARES = [0.5, 0.25, 0.12] as const;
/** Above this share of matrix products, ways that touch them alone are worth a look. */
const SOME = 0.05;
const BATCHES = [1, 4, 16, 64, 256];

/** Everything that `optimize` chooses from, for this model on this machine. */
export function modelSpace(facts: SpaceFacts): Space {
  const { cores } = facts;
  return {
    dimensions: [...shapeDimensions(facts), ...precisionDimensions(facts), ...runDimensions(facts)].filter(
      ({ values }) => values.length > 1,
    ),
    allows: ({ instances = 1, threads = 1, provider = 'cpu' }: Point) =>
      Number(instances) * Number(threads) <= cores && (provider === 'cpu' || instances === 1),
  };
}

function shapeDimensions({ families }: SpaceFacts): Dimension[] {
  const sized = families.filter((family) => family !== 'shallower');
  return [
    choice('family', 'the model itself, or a smaller one made from it', ['whole', ...families]),
    {
      ...choice('share', "share of the model's multiply-accumulates", sized.length > 0 ? SHARES : []),
      ordered: true,
      when: [{ dimension: 'family', in: sized }],
    },
  ];
}

function precisionDimensions({
  mix,
  layers,
  families,
  saturates,
  minimize,
  providers,
}: SpaceFacts): Dimension[] {
  const matrices = mix.matmul + mix.recurrent > SOME;
  const trains = families.length > 0;
  const precisions = [
    'float',
    'static',
    ...(matrices ? ['dynamic', 'weights8', 'weights4'] : []),
    ...(trains ? ['aware', 'adaround'] : []),
    ...(layers > 1 ? ['mixed'] : []),
    ...(minimize === 'size' || providers.length > 1 ? ['half'] : []),
  ];
  const isStatic = [{ dimension: 'precision', in: ['static'] }];
  return [
    choice('precision', 'numbers that weights and activations are held in', precisions),
    {
      ...choice('ranges', 'how ranges of activations are chosen', ['minmax', 'mse', 'percentile', 'entropy']),
      when: isStatic,
    },
    {
      ...choice('equalized', 'channels brought to like ranges first', [
        'no',
        ...(mix.conv > 0 ? ['yes'] : []),
        ...(matrices ? ['smoothed'] : []),
      ]),
      when: isStatic,
    },
    {
      ...choice('fitted', 'scales of weights by the largest, or by the least error', [
        'largest',
        'least error',
      ]),
      when: isStatic,
    },
    { ...choice('bits', 'bits of the weights', saturates ? [8, 7] : [8]), ordered: true, when: isStatic },
    { ...choice('slow', 'layers that are slower on integers', ['integers', 'float']), when: isStatic },
    {
      ...choice('kept', 'most sensitive layers that stay in float', [0, ...fallbackCounts(layers)]),
      ordered: true,
      when: isStatic,
    },
    {
      ...choice('fit', 'how 4-bit weights are fitted', ['rounded', 'hqq', 'awq', 'gptq']),
      when: matrices ? [{ dimension: 'precision', in: ['weights4'] }] : [],
    },
    {
      ...choice('block', 'weights that share a scale', [32, 128]),
      ordered: true,
      when: matrices ? [{ dimension: 'precision', in: ['weights4', 'weights8'] }] : [],
    },
  ].filter(({ name }) => matrices || (name !== 'block' && name !== 'fit'));
}

function runDimensions({ cores, largestBatch, providers, minimize }: SpaceFacts): Dimension[] {
  if (minimize === 'size') return [];
  const powers = [cores];
  for (let n = 1; n < cores; n *= 2) powers.unshift(n);
  powers.sort((a, b) => a - b);
  const run = (dimension: Dimension): Dimension => ({ ...dimension, kind: 'run' });
  const many: Dimension[] = [
    run({ ...choice('instances', 'sessions at work at the same time', powers), ordered: true }),
    run({
      ...choice(
        'batch',
        'samples a call',
        BATCHES.filter((batch) => batch <= largestBatch),
      ),
      ordered: true,
    }),
  ];
  return [
    ...(minimize === 'latency' ? [] : many),
    run({ ...choice('threads', 'threads of a session', powers), ordered: true }),
    run(choice('level', "the runtime's own graph optimizations", ['all', 'extended'])),
    run(choice('provider', 'what executes the graph', providers)),
  ];
}

function choice(name: string, says: string, values: readonly Value[]): Dimension {
  return { name, says, values, ordered: false, kind: 'model' };
}
