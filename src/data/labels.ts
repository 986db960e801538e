import { fail } from '../base/index.ts';
import { type DType, Tensor } from '../graph/index.ts';
import { cast } from './cast.ts';

/** The dtype in which labels of a dtype are given out: class numbers as int32 or int64, other numbers as float32. */
export function labelDType(dtype: DType, where: string): 'int32' | 'int64' | 'float32' {
  switch (dtype) {
    case 'bool':
    case 'int8':
    case 'uint8':
    case 'int16':
    case 'uint16':
    case 'int32':
      return 'int32';
    case 'int64':
    case 'uint32':
    case 'uint64':
      return 'int64';
    case 'float16':
    case 'float32':
    case 'float64':
      return 'float32';
    default:
      throw fail('DATA_DTYPE_MISMATCH', `${where} has labels of dtype ${dtype}`);
  }
}

/** Labels as a dataset gives them out (see labelDType). */
export function labelTensor(labels: Tensor, where: string): Tensor {
  return cast(labels, labelDType(labels.dtype, where), where);
}

/** Class numbers as label bytes. */
export function classBytes(index: number): Uint8Array {
  return Tensor.of('int32', [], Int32Array.of(index)).bytes();
}

/**
 * Label values met in text (JSONL, CSV, Parquet): whole numbers stay class numbers (int64), other numbers are
 * float32, anything else becomes classes sorted by name.
 */
export class LabelScan {
  readonly #texts = new Set<string>();
  #whole = true;
  #numeric = true;

  /** Above this, labels that are not numbers are free text and no classes. */
  static readonly MOST_CLASSES = 65536;

  see(value: unknown, where: string): void {
    if (value === undefined || value === null || value === '') {
      throw fail('DATA_NO_LABELS', `${where} has no label`, { hint: 'Give every sample a label, or none.' });
    }
    const number = numberOf(value);
    if (number === undefined) this.#numeric = false;
    else if (!Number.isSafeInteger(number)) this.#whole = false;
    if (this.#numeric && this.#texts.size > 4096) return;
    this.#texts.add(String(value));
    if (this.#texts.size > LabelScan.MOST_CLASSES) {
      throw fail('DATA_DAMAGED', `${where}: more than ${LabelScan.MOST_CLASSES} different labels`);
    }
  }

  /** What the labels are, and how to encode one. */
  finish(): LabelCode {
    if (this.#numeric) {
      const dtype = this.#whole ? 'int64' : 'float32';
      return {
        dtype,
        encode(value) {
          const number = numberOf(value) ?? 0;
          return dtype === 'int64'
            ? Tensor.int64([], [number]).bytes()
            : Tensor.float32([], [number]).bytes();
        },
      };
    }
    return classCode([...this.#texts].sort());
  }
}

export interface LabelCode {
  readonly dtype: 'int32' | 'int64' | 'float32';
  readonly classes?: readonly string[];
  encode(value: unknown): Uint8Array;
}

/** Labels that are names of classes. Throws DATA_DAMAGED for a name that is not among them. */
export function classCode(classes: readonly string[]): LabelCode {
  const numbers = new Map(classes.map((name, index) => [name, index]));
  return {
    dtype: 'int32',
    classes,
    encode(value) {
      const index = numbers.get(String(value));
      if (index === undefined) throw fail('DATA_DAMAGED', `no class is named ${String(value)}`);
      return classBytes(index);
    },
  };
}

/** Labels with the names of their classes as they were told, in the order of the class numbers. */
export function withClasses(code: LabelCode, classes: readonly string[] | undefined): LabelCode {
  if (classes === undefined || code.dtype === 'float32') return code;
  return code.classes ? classCode(classes) : { ...code, classes };
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}
