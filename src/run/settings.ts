import { fail } from '../base/index.ts';
import { availableCores } from './cores.ts';

/** The execution providers that onnxruntime-node can be built with. */
export const PROVIDERS = ['cpu', 'webgpu', 'cuda', 'tensorrt', 'coreml', 'dml'] as const;
export type ProviderName = (typeof PROVIDERS)[number];

/** Graph optimization levels of ONNX Runtime, weakest first. */
export const LEVELS = ['disabled', 'basic', 'extended', 'layout', 'all'] as const;
export type OptimizationLevel = (typeof LEVELS)[number];

/** How ONNX Runtime runs a model. */
export interface SessionSettings {
  readonly provider: ProviderName;
  /** Intra-op threads of each instance. */
  readonly threads: number;
  /** Copies of the session, each in its own worker thread; that many calls run at once. */
  readonly instances: number;
  readonly level: OptimizationLevel;
  /** Session config entries, such as 'session.x64quantprecision': '1'. */
  readonly config: Readonly<Record<string, string>>;
  /** Whether idle intra-op threads spin while they wait. Default: what ONNX Runtime does (spin). */
  readonly allowSpinning?: boolean;
  /** Whether the CPU memory arena is used. Default: true. */
  readonly arena?: boolean;
}

/** One instance on all cores. */
export const DEFAULT_SETTINGS: SessionSettings = {
  provider: 'cpu',
  threads: availableCores(),
  instances: 1,
  level: 'all',
  config: {},
};

/**
 * Fills in what is not given: threads share the cores among the instances, so that threads x instances <= cores unless
 * told otherwise. Throws USAGE_BAD_OPTION.
 */
export function resolveSettings(given: Partial<SessionSettings> = {}): SessionSettings {
  const instances = given.instances ?? DEFAULT_SETTINGS.instances;
  const threads = given.threads ?? Math.max(1, Math.floor(availableCores() / Math.max(1, instances)));
  const settings: SessionSettings = { ...DEFAULT_SETTINGS, ...defined(given), instances, threads };
  for (const name of ['threads', 'instances'] as const) {
    const value = settings[name];
    if (!Number.isInteger(value) || value < 1 || value > 1024) {
      throw fail('USAGE_BAD_OPTION', `${name} must be a whole number from 1 to 1024, not ${value}`);
    }
  }
  if (!PROVIDERS.includes(settings.provider)) {
    throw fail('USAGE_BAD_OPTION', `no provider "${settings.provider}"; there are ${PROVIDERS.join(', ')}`);
  }
  if (!LEVELS.includes(settings.level)) {
    throw fail(
      'USAGE_BAD_OPTION',
      `no optimization level "${settings.level}"; there are ${LEVELS.join(', ')}`,
    );
  }
  for (const [key, value] of Object.entries(settings.config)) {
    if (typeof value !== 'string') {
      throw fail('USAGE_BAD_OPTION', `session config ${key} must be a string, not ${JSON.stringify(value)}`);
    }
  }
  return settings;
}

function defined(given: Partial<SessionSettings>): Partial<SessionSettings> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
