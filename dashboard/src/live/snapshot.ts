import type {
  LiveModel,
  LiveSecond,
  ModelNow,
  ModelPoints,
  ModelTotal,
  SeriesDocument,
  SeriesEvent,
} from '../../../src/serve/observe/series.ts';

/** Seconds that are kept: as much as the server tells. */
export const KEPT = 900;
const KEPT_EVENTS = 100;

export type Column = keyof ModelPoints;
export type Values = readonly (number | null)[];

export interface ModelView {
  /** Name and version: unique, and fit for a link. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  readonly now: ModelNow;
  /** Each as long as the snapshot's `times`. */
  readonly points: Readonly<Record<Column, Values>>;
  /** One row a stage. */
  readonly exits: readonly Values[];
  readonly total: ModelTotal;
}

/** All that is known at one moment; never changed, so a paused page can hold on to one. */
export interface Snapshot {
  readonly server: SeriesDocument['server'];
  readonly times: readonly number[];
  readonly models: readonly ModelView[];
  readonly keys: SeriesDocument['keys'];
  readonly events: readonly SeriesEvent[];
}

export function idOf({ name, version }: { name: string; version: string }): string {
  return `${name}/${version}`;
}

/** The snapshot that a document of steps of one second makes. */
export function snapshotOf(document: SeriesDocument): Snapshot {
  const { server, times, models, keys, events } = document;
  return { server, times, models: models.map((model) => ({ ...model, id: idOf(model) })), keys, events };
}

/** The snapshot a second later. Models that the second does not name are gone; those it names first begin with nothing. */
export function advanced(snapshot: Snapshot, second: LiveSecond): Snapshot {
  const { times } = snapshot;
  if (second.time <= (times.at(-1) ?? Number.NEGATIVE_INFINITY)) return snapshot;
  const byId = new Map(snapshot.models.map((model) => [model.id, model]));
  return {
    server: second.server,
    times: pushed(times, second.time),
    models: second.models.map((model) => grown(byId.get(idOf(model)), model, times.length)),
    keys: second.keys,
    events: [...snapshot.events, ...second.events].slice(-KEPT_EVENTS),
  };
}

function pushed<T>(values: readonly T[], value: T): T[] {
  return [...(values.length >= KEPT ? values.slice(values.length - KEPT + 1) : values), value];
}

function grown(before: ModelView | undefined, live: LiveModel, length: number): ModelView {
  const { name, version, platform, now, total } = live;
  const none = (): null[] => new Array<null>(length).fill(null);
  const columns = Object.keys(live.point) as Column[];
  const points = {} as Record<Column, Values>;
  for (const column of columns) {
    points[column] = pushed(before?.points[column] ?? none(), live.point[column] ?? null);
  }
  return {
    id: idOf(live),
    name,
    version,
    platform,
    now,
    total,
    points,
    exits: live.exits.map((count, stage) => pushed(before?.exits[stage] ?? none(), count)),
  };
}
