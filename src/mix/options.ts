import type { Progress } from '../base/index.ts';
import { fail } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import { type MetricOptions, metricByName } from '../measure/index.ts';
import { PROVIDERS, type ProviderName } from '../run/index.ts';
import { type MixedOptions, PRECISIONS, type Precision } from '../transform/index.ts';
import type { KeepOptions } from './kept.ts';

/** What a mix makes as small as possible within the bound on the loss. */
export const MIX_OBJECTIVES = {
  latency: 'milliseconds of a run at the settings given (median)',
  size: 'bytes of the model file',
} as const satisfies Record<string, string>;
export type MixObjective = keyof typeof MIX_OBJECTIVES;

export interface MixOptions extends KeepOptions {
  readonly metric: string;
  readonly metricOptions?: MetricOptions;
  /** The most the metric may lose against the model as given, in its unit (points for shares). Default 1. */
  readonly maxDrop?: number;
  /** That the loss is no more, one-sided, on the held-out part. Default 0.95. */
  readonly confidence?: number;
  /** What layers may be in; fp32 always. Default fp32, int8, int4; fp16 too where the size counts or the provider is no CPU. */
  readonly precisions?: readonly Precision[];
  readonly minimize?: MixObjective;
  readonly provider?: ProviderName;
  /** Default: all cores. */
  readonly threads?: number;
  /** Samples a run while speed is measured. Default 1. */
  readonly batch?: number;
  /** The data in parts already. Default: split by the seed. */
  readonly parts?: MixParts;
  /** Samples that sensitivity is measured on. Default 256. */
  readonly samples?: number;
  /** Assignments that are built and tried at most, uniform ones not counted. Default 12. */
  readonly candidates?: number;
  /** Seconds of each of the two races. Default 6. */
  readonly seconds?: number;
  readonly passes?: Partial<Pick<MixedOptions, 'static' | 'weights' | 'half'>>;
  /** Default 0. */
  readonly seed?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export interface MixParts {
  /** Sets ranges, and measures sensitivity. */
  readonly calibration: Dataset;
  /** Chooses among assignments. */
  readonly search: Dataset;
  /** Judges the chosen one. */
  readonly heldOut: Dataset;
}

export type Settled = MixOptions &
  Required<
    Pick<
      MixOptions,
      | 'maxDrop'
      | 'confidence'
      | 'precisions'
      | 'minimize'
      | 'provider'
      | 'batch'
      | 'samples'
      | 'candidates'
      | 'seconds'
      | 'seed'
    >
  > & { readonly settings: { readonly provider: ProviderName; readonly threads?: number } };

/** Checks the options and fills in the defaults. Throws USAGE_BAD_OPTION, METRIC_UNKNOWN. */
export function settle(options: MixOptions): Settled {
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as MixOptions;
  const { provider = 'cpu', minimize = 'latency', threads } = given;
  const half = minimize === 'size' || provider !== 'cpu' ? (['fp16'] as const) : [];
  const settled = {
    maxDrop: 1,
    confidence: 0.95,
    batch: 1,
    samples: 256,
    candidates: 12,
    seconds: 6,
    seed: 0,
    ...given,
    provider,
    minimize,
    precisions: PRECISIONS.filter((one) =>
      (given.precisions ?? ['fp32', 'int8', 'int4', ...half]).concat('fp32').includes(one),
    ),
    settings: { provider, ...(threads !== undefined && { threads }) },
  };
  const bad = (why: string) => fail('USAGE_BAD_OPTION', why);
  metricByName(settled.metric, settled.metricOptions);
  for (const one of given.precisions ?? [])
    if (!PRECISIONS.includes(one)) throw bad(`no precision "${one}"; there are ${PRECISIONS.join(', ')}`);
  if (settled.precisions.length < 2) throw bad('precisions: fp32 alone leaves nothing to choose');
  if (!Object.hasOwn(MIX_OBJECTIVES, minimize))
    throw bad(`"${minimize}" cannot be minimized; ${Object.keys(MIX_OBJECTIVES).join(', ')} can`);
  if (!PROVIDERS.includes(provider))
    throw bad(`no provider "${provider}"; there are ${PROVIDERS.join(', ')}`);
  if (!(settled.maxDrop >= 0)) throw bad(`maxDrop is ${settled.maxDrop}, not 0 or more`);
  if (!(settled.confidence >= 0.5 && settled.confidence < 1))
    throw bad(`confidence is ${settled.confidence}, not in 0.5..1`);
  if (!(settled.seconds > 0)) throw bad(`seconds is ${settled.seconds}, not above 0`);
  for (const name of ['batch', 'samples', 'candidates'] as const) {
    const value = settled[name];
    if (!Number.isInteger(value) || value < 1) throw bad(`${name} is ${value}, no whole number of 1 or more`);
  }
  return settled;
}
