import type { ErrorCode } from '../../base/index.ts';
import { type DType, Tensor } from '../../graph/index.ts';
import type { Feeds, Fetches, Port, SessionSettings } from '../../run/index.ts';
import { aligned } from './frame.ts';

/** What a child opens: one file, or the stages of a bundle. Plain JSON. */
export interface ChildModel {
  readonly settings: Partial<SessionSettings>;
  readonly file: string;
  readonly staged?: {
    readonly stages: readonly {
      readonly id: string;
      readonly model: string;
      readonly answers: Readonly<Record<string, string>>;
      readonly carried: readonly string[];
      /** A threshold of null is one that nobody reaches: JSON has no infinity. */
      readonly exit?: {
        readonly scores: string;
        readonly scale: 'logits' | 'probabilities';
        readonly temperature: number;
        readonly confidence: 'max-probability' | 'margin' | 'entropy';
        readonly threshold: number | null;
      };
    }[];
    readonly inputs: readonly Port[];
    readonly outputs: readonly Port[];
  };
}

/** A tensor of the body: its name, dtype, shape, and the bytes it takes there. */
export type TensorNote = readonly [name: string, dtype: DType, dims: readonly number[], bytes: number];

export type ToChild =
  | { readonly kind: 'open'; readonly model: ChildModel }
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly feeds: readonly TensorNote[];
      readonly outputs?: readonly string[];
    };

export type FromChild =
  | {
      readonly kind: 'opened';
      readonly inputs: readonly Port[];
      readonly outputs: readonly Port[];
      readonly metadata: readonly (readonly [string, string])[];
    }
  | {
      readonly kind: 'done';
      readonly id: number;
      readonly fetches: readonly TensorNote[];
      readonly computeMs: number;
      /** CPU seconds of the child since its last answer: summed up over the answers it is all that the child took. */
      readonly cpuSeconds: number;
      /** Resident bytes of the child; not with every answer. */
      readonly rss?: number;
    }
  | { readonly kind: 'failed'; readonly id?: number; readonly code: ErrorCode; readonly why: string };

/** Named tensors as notes and pieces of a body. Numbers are not copied; strings are a piece of JSON. */
export function packTensors(tensors: Feeds): { notes: TensorNote[]; pieces: Uint8Array[] } {
  const notes: TensorNote[] = [];
  const pieces: Uint8Array[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const { dtype, dims } = tensor;
    const piece = dtype === 'string' ? Buffer.from(JSON.stringify(tensor.strings())) : tensor.bytes();
    notes.push([name, dtype, dims, piece.byteLength]);
    pieces.push(piece);
  }
  return { notes, pieces };
}

/** Tensors that are views of the body. Throws MODEL_INVALID, SyntaxError where notes and body do not fit. */
export function unpackTensors(notes: readonly TensorNote[], body: Uint8Array): Fetches {
  const tensors: Fetches = {};
  let at = 0;
  for (const [name, dtype, dims, bytes] of notes) {
    const piece = body.subarray(at, at + bytes);
    at += aligned(bytes);
    tensors[name] =
      dtype === 'string'
        ? Tensor.ofStrings(dims, JSON.parse(Buffer.from(piece).toString('utf8')))
        : Tensor.ofBytes(dtype, dims, piece);
  }
  return tensors;
}
