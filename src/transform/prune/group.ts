/** What a weight does with a unit: makes it (output channels), reads it (input channels), or goes along (biases, norms, slopes). */
export type Role = 'producer' | 'consumer' | 'along';

/** Slices of one axis of one constant that belong to the units of a group. */
export interface Member {
  readonly initializer: string;
  readonly axis: number;
  readonly role: Role;
  /** Label and op of the node that uses the constant. */
  readonly node: string;
  readonly op: string;
  /** For each unit the indices of the axis that go with it, ascending. */
  readonly indices: readonly (readonly number[])[];
}

/** Units that can be cut one by one; with each go its slices of all members. */
export interface PruneGroup {
  /** The first member that makes the units, as "weight[axis]". */
  readonly id: string;
  /** How many units it has; at least one must remain. */
  readonly units: number;
  /** Neighbouring channels that one unit stands for: 1, or the size of a head. */
  readonly width: number;
  readonly members: readonly Member[];
  /** Elements of constants that go with one unit. */
  readonly parameters: number;
  /** MACs of a run at batch 1 that go with the first unit. */
  readonly macs: number;
  /** Why nothing of it may be cut. */
  readonly pinned?: string;
  /** Why cutting changes what remains even where the units carried nothing. */
  readonly mixes?: string;
}

/** For each index of an axis the units it goes with: those of index i stand at offsets[i]..offsets[i + 1]. Unit numbers are global. */
export interface AxisUnits {
  readonly offsets: Int32Array;
  readonly units: Int32Array;
}

/** MACs that shrink with the axes that they are a product of. */
export interface MacPart {
  readonly macs: number;
  readonly factors: readonly (readonly [value: string, axis: number])[];
}

/** The MACs of one run of a model at batch 1, in parts. */
export interface MacParts {
  readonly total: number;
  readonly parts: readonly MacPart[];
}

/** Groups of a model, and what cutting it must know. Belongs to the model it was made from. */
export interface PruneGroups {
  /** Those that may be cut first, then the pinned ones, each in graph order. */
  readonly groups: readonly PruneGroup[];
  /** The number of the first unit of each group that may be cut. */
  readonly first: ReadonlyMap<string, number>;
  /** The number of units of all of them. */
  readonly count: number;
  /** Axes of values and constants of which something may be cut, by name and axis. */
  readonly axes: ReadonlyMap<string, readonly (AxisUnits | undefined)[]>;
  readonly macs: MacParts;
}

/** The group of an id. */
export function groupOf({ groups }: Pick<PruneGroups, 'groups'>, id: string): PruneGroup | undefined {
  return groups.find((group) => group.id === id);
}
