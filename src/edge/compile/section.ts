import type { DType } from '../../graph/index.ts';

/** An input or output of a compiled model: where it lies in the module's memory. */
export interface CompiledPort {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Bytes from the beginning of memory, and how many. */
  readonly address: number;
  readonly bytes: number;
}

/** What a module says of itself. */
export interface ModuleHeader {
  readonly version: 1;
  readonly target: string;
  readonly inputs: readonly CompiledPort[];
  readonly outputs: readonly CompiledPort[];
}

/** The custom section that holds the header, as JSON. */
export const SECTION = 'modicum';
