export type { DeclaredError, Pass, PassContext, PassNote, PassResult } from './pass.ts';
export * from './quantize/index.ts';
