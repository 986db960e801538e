export * from './attributes.ts';
export * from './dtype.ts';
export * from './model.ts';
export { type ByteSource, Tensor } from './tensor.ts';
export { decodeModel } from './wire/decode.ts';
export type { ExternalResolver } from './wire/decode-tensor.ts';
export { type ExternalPlacer, encodeModel } from './wire/encode.ts';
