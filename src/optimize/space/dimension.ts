/** What a dimension may be set to. */
export type Value = string | number;

/** Holds where the dimension is there and set to one of these. */
export interface Condition {
  readonly dimension: string;
  readonly in: readonly Value[];
}

/** One thing that the search may choose. */
export interface Dimension {
  readonly name: string;
  /** One line for people. */
  readonly says: string;
  /** At least one; the first is what is taken where nothing speaks for another. */
  readonly values: readonly Value[];
  /** True where the order of the values means nearness; else any two are as far apart as any others. */
  readonly ordered: boolean;
  /** `model`: it makes another model, with another accuracy. `run`: only how the same model is run. */
  readonly kind: 'model' | 'run';
  /** The dimension is there only where all of these hold; they name earlier dimensions. Default: always. */
  readonly when?: readonly Condition[];
}

/** A value for every dimension that is there, by name; others are absent. */
export type Point = Readonly<Record<string, Value>>;

/** All that may be chosen, as data. */
export interface Space {
  /** Conditions name earlier ones only. */
  readonly dimensions: readonly Dimension[];
  /** False for points that make no sense together, such as more threads than cores. Must allow some point. */
  readonly allows?: (point: Point) => boolean;
}
