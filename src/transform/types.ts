import { type DType, inferShapes, type Model, type Shape } from '../graph/index.ts';

/** What is known of the values of a model without running it. */
export interface Types {
  /** Undefined where not even the rank is known. */
  shape(name: string): Shape;
  dtype(name: string): DType | undefined;
  /** All elements of a small integer tensor, where every one is known. */
  integers(name: string): readonly number[] | undefined;
}

/**
 * What the operators' rules and the file say; where the two contradict each other the rules win. Of a name that stands in
 * several nested graphs only what is known in the outermost counts.
 */
export function typesOf(model: Model): Types {
  const inference = inferShapes(model, { strict: false });
  const find = (name: string) => {
    const outer = inference.get(name);
    if (outer !== undefined) return outer;
    const inner = [...inference.nested.values()].filter((values) => values.has(name));
    return inner.length === 1 ? inner[0]!.get(name) : undefined;
  };
  return {
    shape: (name) => find(name)?.shape,
    dtype: (name) => find(name)?.dtype,
    integers(name) {
      const value = find(name);
      if (value?.dtype !== 'int64' && value?.dtype !== 'int32') return undefined;
      const elements = value.elements;
      return elements?.every((element) => typeof element === 'number') ? elements : undefined;
    },
  };
}

/** A shape of numbers only, or undefined. */
export function staticShape(shape: Shape): readonly number[] | undefined {
  return shape?.every((dim) => typeof dim === 'number') ? shape : undefined;
}
