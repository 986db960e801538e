export { availableCores } from './cores.ts';
export { executedGraph } from './executed-graph.ts';
export { checkFeeds, checkOutputs, packFeeds, unpackFetches } from './feeds.ts';
export type { GrowingOptions, GrowingSession } from './growing.ts';
export { type Hosted, openHosted } from './hosted.ts';
export type { HostedProgram, HostedService, ModelOpener } from './hosted-program.ts';
export { describeMachine, type Machine } from './machine.ts';
export type { Packed, PackedTensor } from './messages.ts';
export { openHere } from './open-here.ts';
export { openSession } from './open-session.ts';
export type { LoopLimits, LoopResult, OrtSession } from './ort-session.ts';
export type { NodeTime } from './profile-events.ts';
export { type ProfileOptions, profileNodes } from './profile-nodes.ts';
export { type ProbeOptions, type ProviderReport, probeProviders } from './providers.ts';
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
export { skeletonOf } from './skeleton.ts';
export { openStateful, type StatefulOptions, type StatefulSession } from './stateful.ts';
