import type { PassName } from '../passes.ts';
import type { Recipe, Step } from '../recipe.ts';
import type { RunSettings } from '../settings.ts';
import type { Point } from './dimension.ts';
import { FOUNDATION } from './foundation.ts';

/** A recipe worth trying, with its names. */
export interface Candidate {
  /** Fit for the name of a file. */
  readonly id: string;
  readonly title: string;
  readonly recipe: Recipe;
}

/** Seconds that steps of training take, each. */
export interface TrainingTimes {
  readonly shape: number;
  readonly learned: number;
}

/** Layers of a static variant that stay in float, by name. */
export interface InFloat {
  /** Those that are slower on integers. */
  readonly slow: readonly string[];
  /** The most sensitive ones. */
  readonly sensitive: readonly string[];
}

/** What was measured of a shape that a point is made of. */
export interface Found extends InFloat {
  /** Precision of each layer, for `mixed`. */
  readonly assignment?: Readonly<Record<string, string>>;
}

const percent = (share: number) => `${Math.round(100 * share)} % of the MACs`;

/** What makes the shape of a point: FOUNDATION, and the step that makes a smaller model where there is one. */
export function shapeOf(point: Point, { shape: seconds }: TrainingTimes): Candidate {
  const { family = 'whole', share = 0.5 } = point;
  if (family === 'whole') return { id: 'clean', title: 'clean fp32', recipe: FOUNDATION };
  if (family === 'pruned') {
    const size = percent(Number(share));
    return {
      id: `prune-${Math.round(100 * Number(share))}`,
      title: `pruned (${size})`,
      recipe: [
        ...FOUNDATION,
        {
          pass: 'prune-tune',
          options: { ratio: 1 - Number(share), seconds },
          words: `pruned to ${size}, refitted and taught`,
        },
      ],
    };
  }
  const student = family === 'shallower' ? 'shallower:0.5' : `${family}:${share}`;
  return {
    id: `distill-${student.replace(/[^a-z0-9]+/g, '-')}`,
    title: `${family} distilled${family === 'shallower' ? '' : ` (${percent(Number(share))})`}`,
    recipe: [
      ...FOUNDATION,
      { pass: 'distill', options: { student, seconds }, words: `distilled into ${student}` },
    ],
  };
}

/** The model of a point: its shape, and its precision on top. `found`: what static and mixed ones ask for. */
export function candidateOf(
  point: Point,
  times: TrainingTimes,
  found: Found = { slow: [], sensitive: [] },
): Candidate {
  const shape = shapeOf(point, times);
  const precision = precisionOf(point, times, found);
  if (precision === undefined) return shape;
  const whole = (point.family ?? 'whole') === 'whole';
  return {
    id: whole ? precision.id : `${shape.id}-${precision.id}`,
    title: whole ? precision.title : `${shape.title}, ${precision.title}`,
    recipe: [...shape.recipe, ...precision.steps],
  };
}

interface Precision {
  readonly id: string;
  readonly title: string;
  readonly steps: readonly Step[];
}

function precisionOf(point: Point, { learned: seconds }: TrainingTimes, found: Found): Precision | undefined {
  const { precision = 'float', block = 32 } = point;
  switch (precision) {
    case 'static':
      return staticOf(point, found);
    case 'dynamic':
      return {
        id: 'int8-dynamic',
        title: 'int8 dynamic',
        steps: [{ pass: 'quantize-dynamic', words: 'int8 dynamic' }],
      };
    case 'weights8':
    case 'weights4':
      return weightsOf(precision === 'weights8' ? 8 : 4, Number(block), String(point.fit ?? 'rounded'));
    case 'mixed':
      return {
        id: 'mixed',
        title: 'mixed precision',
        steps: [
          {
            pass: 'mixed-precision',
            options: { assignment: found.assignment ?? {} },
            words: `mixed precision: ${countsOf(found.assignment ?? {})}`,
          },
        ],
      };
    case 'half':
      return { id: 'fp16', title: 'fp16', steps: [{ pass: 'fp16', words: 'fp16' }] };
    case 'aware':
      return {
        id: 'int8-aware',
        title: 'int8 learned (QAT)',
        steps: [{ pass: 'quantize-aware', options: { seconds }, words: 'int8 learned' }],
      };
    case 'adaround':
      return {
        id: 'int8-adaround',
        title: 'int8 static (AdaRound)',
        steps: [{ pass: 'adaround', options: { seconds }, words: 'int8 static, roundings chosen' }],
      };
  }
  return undefined;
}

/** Weights alone: by plain rounding, or by one of the ways of fitting 4 bits. */
function weightsOf(bits: 4 | 8, blockSize: number, fit: string): Precision {
  const plain = fit === 'rounded';
  const by = plain ? '' : `, ${fit.toUpperCase()}`;
  const pass = plain ? 'quantize-weights' : (`quantize-${fit}` as PassName);
  return {
    id: `int${bits}-weights-${blockSize}${plain ? '' : `-${fit}`}`,
    title: `int${bits} weights (blocks of ${blockSize}${by})`,
    steps: [{ pass, options: { bits, blockSize }, words: `int${bits} weights, blocks of ${blockSize}${by}` }],
  };
}

/** How many layers are in each precision. */
function countsOf(assignment: Readonly<Record<string, string>>): string {
  const counts = new Map<string, number>();
  for (const precision of Object.values(assignment)) counts.set(precision, (counts.get(precision) ?? 0) + 1);
  return [...counts].map(([precision, count]) => `${count} layers ${precision}`).join(', ');
}

function staticOf(point: Point, { slow, sensitive }: InFloat): Precision {
  const { ranges: method = 'minmax', equalized = 'no', bits = 8, fitted = 'largest' } = point;
  const exclude = [...new Set([...slow, ...sensitive])];
  const options = {
    method,
    ...(bits === 7 && { reduceRange: true }),
    ...(fitted === 'least error' && { weightFit: 'mse' }),
    ...(exclude.length > 0 && { exclude }),
  };
  const knobs = [
    ...(equalized === 'yes' ? ['equalized'] : equalized === 'smoothed' ? ['smoothed'] : []),
    String(method),
    ...(fitted === 'least error' ? ['fitted weights'] : []),
    ...(bits === 7 ? ['7-bit weights'] : []),
  ];
  const left = [
    ...(slow.length > 0 ? [`${slow.length} slow`] : []),
    ...(sensitive.length > 0 ? [`${sensitive.length} sensitive`] : []),
  ];
  const inFloat = left.length > 0 ? `, ${left.join(' and ')} in float` : '';
  return {
    id: ['int8-static', ...knobs, ...left].join('-').replaceAll(' ', '-'),
    title: `int8 static (${knobs.join(', ')})${inFloat}`,
    steps: [
      ...(equalized === 'yes' ? [{ pass: 'equalize', words: 'channels equalized' } as const] : []),
      ...(equalized === 'smoothed'
        ? [{ pass: 'smooth', words: 'outliers of activations smoothed' } as const]
        : []),
      {
        pass: 'quantize-static',
        options,
        words: `int8 static, ${method} ranges${bits === 7 ? ', 7-bit weights' : ''}${
          exclude.length > 0 ? `, ${exclude.length} layers in float` : ''
        }`,
      },
    ],
  };
}

/** How a point is run; what it leaves open is as in `otherwise`. */
export function settingsOf(point: Point, otherwise: RunSettings): RunSettings {
  const { batch, instances, threads, level, provider } = point;
  return {
    batch: Number(batch ?? otherwise.batch),
    instances: Number(instances ?? otherwise.instances),
    threads: Number(threads ?? otherwise.threads),
    level: (level ?? otherwise.level) as RunSettings['level'],
    provider: (provider ?? otherwise.provider) as RunSettings['provider'],
  };
}
