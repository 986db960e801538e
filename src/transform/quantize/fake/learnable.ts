import type { Model, Tensor } from '../../../graph/index.ts';

/** A quantized model as a float one that can be trained: roundings are FakeQuantize nodes. */
export interface Learnable {
  /** At the opset of the model that it was made with. */
  readonly model: Model;
  /** Initializers of `model` to be learned: weights and biases in float, and the logarithms of scales. */
  readonly weights: readonly string[];
  /**
   * The quantized model with what was learned (values by the names of `weights`; what is not given stays as it began): the nodes
   * are those it had, with other numbers. `into`: the same model as it was before its opset was raised, say; it is left alone.
   */
  quantized(learned: ReadonlyMap<string, Tensor>, into?: Model): Model;
}

/** What is to be learned of a quantized model. */
export interface LearnableOptions {
  /** The integers of weights stay, their scales are learned. Default false. */
  readonly rounded?: boolean;
  /** Names what is learned of the view beside its roundings: what runs in float. */
  readonly learned: (view: Model) => readonly string[];
}

/** Natural logarithms of scales, as they are learned: a scale stays above 0, and a step changes it by a share of itself. */
export function logarithms(scales: ArrayLike<number>): Float32Array {
  return Float32Array.from(scales, (scale) => Math.log(Math.max(Math.abs(scale), LEAST)));
}

/** The scales of logarithms. */
export function exponentials(logs: ArrayLike<number>): Float32Array {
  return Float32Array.from(logs, (log) => Math.max(Math.fround(Math.exp(log)), LEAST));
}

/** A float32 scale whose reciprocal is finite. */
const LEAST = 1e-30;
