export { type DashboardOptions, dashboardRoutes } from './dashboard/dashboard-routes.ts';
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
export { type Certificate, Certificates, type TlsOptions } from './security/certificates.ts';
export { credentialOf } from './security/credential.ts';
export { type KeyLimits, type KeyRecord, makeKey, readKeys, writeKeys } from './security/key.ts';
export { KeyRing, type KeyUse } from './security/key-ring.ts';
export { assertMayListen, type Guards, isLoopback } from './security/may-listen.ts';
