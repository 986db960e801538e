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
