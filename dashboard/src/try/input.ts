import type { ModelInfo, Port } from '../server/model.ts';
import type { Values } from '../server/tensors.ts';

/** What the form of an input holds at the moment: values, or why there is none yet. */
export type Given =
  | { readonly values: Values; readonly why?: undefined }
  | { readonly values?: undefined; readonly why: string };

export interface InputProps {
  readonly info: ModelInfo;
  readonly port: Port;
  /** The shape with every dimension filled in. */
  readonly shape: readonly number[];
  readonly onGiven: (given: Given) => void;
}
