export { availableCores } from './cores.ts';
export { openSession } from './open-session.ts';
export type { LoopLimits, LoopResult, OrtSession } from './ort-session.ts';
export type { Feeds, Fetches, Port, RunOptions, Session } from './session.ts';
export {
  DEFAULT_SETTINGS,
  LEVELS,
  type OptimizationLevel,
  PROVIDERS,
  type ProviderName,
  resolveSettings,
  type SessionSettings,
} from './settings.ts';
