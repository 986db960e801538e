import type { ModelInfo, Port } from '../server/model.ts';
import type { Tensor } from '../server/tensors.ts';

/** What the form of an input holds at the moment: a tensor, or why there is none yet. */
export type Given =
  | { readonly tensor: Tensor; readonly why?: undefined }
  | { readonly tensor?: undefined; readonly why: string };

export interface InputProps {
  readonly info: ModelInfo;
  readonly port: Port;
  /** The shape with every dimension filled in. */
  readonly shape: readonly number[];
  readonly onGiven: (given: Given) => void;
}
