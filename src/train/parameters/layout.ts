import { type Model, sizeOf, Tensor } from '../../graph/index.ts';

/** A weight's place in the flat vector of all of them. */
export interface Slot {
  readonly name: string;
  readonly dims: readonly number[];
  readonly offset: number;
  readonly size: number;
}

/**
 * Weights as one flat float32 vector: an optimizer's arithmetic is then a dozen operators for the whole model, and not
 * a dozen for each weight.
 */
export class Layout {
  readonly slots: readonly Slot[];
  readonly size: number;

  constructor(weights: readonly { readonly name: string; readonly dims: readonly number[] }[]) {
    let offset = 0;
    this.slots = weights.map(({ name, dims }) => {
      const slot = { name, dims, offset, size: sizeOf(dims) };
      offset += slot.size;
      return slot;
    });
    this.size = offset;
  }

  /** The layout of initializers of a model. */
  static of(model: Model, names: readonly string[]): Layout {
    return new Layout(names.map((name) => ({ name, dims: model.graph.initializers.get(name)!.dims })));
  }

  get sizes(): number[] {
    return this.slots.map(({ size }) => size);
  }

  /** The weights of a model, side by side. */
  pack(model: Model): Float32Array<ArrayBuffer> {
    const flat = new Float32Array(this.size);
    for (const { name, offset } of this.slots)
      flat.set(model.graph.initializers.get(name)!.as('float32'), offset);
    return flat;
  }

  /** One number a weight, repeated over its elements. */
  spread(value: (slot: Slot) => number): Float32Array<ArrayBuffer> {
    const flat = new Float32Array(this.size);
    for (const slot of this.slots) flat.fill(value(slot), slot.offset, slot.offset + slot.size);
    return flat;
  }

  /** Each weight's part of a flat vector: copies. */
  tensors(flat: Float32Array): Map<string, Tensor> {
    return new Map(
      this.slots.map(({ name, dims, offset, size }) => [
        name,
        Tensor.float32(dims, flat.slice(offset, offset + size)),
      ]),
    );
  }

  /** The weight that holds element `at` of the flat vector. */
  slotAt(at: number): Slot | undefined {
    return this.slots.find(({ offset, size }) => at >= offset && at < offset + size);
  }
}
