export { Batcher, type BatcherOptions } from './batch/batcher.ts';
export { type CurvePoint, ServiceCurve } from './batch/curve.ts';
export {
  type Arrival,
  type Fate,
  type Outcome,
  type ServiceTime,
  type Simulated,
  type SimulationOptions,
  simulate,
} from './batch/simulate.ts';
export { type EngineOptions, openEngine } from './compute/open-engine.ts';
export type { WorkerState } from './compute/process-engine.ts';
export type { ProcessOptions, Recycling } from './compute/process-options.ts';
export { loadServerFile } from './config/file.ts';
export { type Resolved, resolveConfig, type Sources } from './config/resolve.ts';
export {
  flagOf,
  SETTING_NAMES,
  SETTINGS,
  type ServerConfig,
  type SettingName,
  variableOf,
} from './config/settings.ts';
export { settingsTable, written } from './config/table.ts';
export { type DashboardOptions, dashboardRoutes } from './dashboard/dashboard-routes.ts';
export { Door, type DoorOptions, type Guest } from './door/door.ts';
export { type LeaveOptions, type Listener, leave } from './door/leave.ts';
export { Statistics } from './door/statistics.ts';
export { GRPC_LIMITS, type GrpcLimits, type GrpcOptions } from './grpc/options.ts';
export { type GrpcServer, startGrpc } from './grpc/server.ts';
export { addKey } from './key-file.ts';
export type { OpenedModel } from './models/entry.ts';
export { type Found, findVersions, type Place } from './models/find-versions.ts';
export { ModelStore, type ModelStoreOptions } from './models/model-store.ts';
export { CachedServed, ResponseCache } from './models/response-cache.ts';
export { type SequenceOptions, SequenceStore } from './models/sequence-store.ts';
export type { Shares } from './models/shelf.ts';
export {
  declaredState,
  StatefulServed,
  type StatefulServedOptions,
  type StateOfModel,
} from './models/stateful.ts';
export { METRICS } from './observe/metric-list.ts';
export { type Observation, type ObserveOptions, openObservation } from './observe/observation.ts';
export { observeRoutes } from './observe/routes.ts';
export type * from './observe/series.ts';
export type {
  Answered,
  Ask,
  Computed,
  Engine,
  EngineRun,
  EventKind,
  Happened,
  Meter,
  Models,
  Observer,
  Sequence,
  Served,
  ServedState,
  Ticket,
} from './ports.ts';
export { restApp } from './rest/app.ts';
export { restListener } from './rest/listener.ts';
export { type Management, REST_LIMITS, type RestLimits, type RestOptions } from './rest/options.ts';
export { roomyHeap } from './roomy-heap.ts';
export { type Certificate, Certificates, type TlsOptions } from './security/certificates.ts';
export { credentialOf } from './security/credential.ts';
export { type KeyLimits, type KeyRecord, makeKey, readKeys, writeKeys } from './security/key.ts';
export { KeyRing, type KeyUse } from './security/key-ring.ts';
export { assertMayListen, type Guards, isLoopback } from './security/may-listen.ts';
export { type ServeOptions, type ServeSources, serve, serverConfig } from './serve.ts';
export { type RunningServer, startServer } from './server.ts';
