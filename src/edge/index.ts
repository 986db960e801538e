export { type COptions, type CProgram, emitC } from './c/source.ts';
export {
  type Compiled,
  type CompileOptions,
  compileModel,
  type LayerSize,
  type Obstacle,
  obstaclesOf,
} from './compile/compile.ts';
export { type FreezeOptions, freezeShapes } from './compile/freeze.ts';
export { inlineConditions } from './compile/inline-if.ts';
export { COMPILED_OPS } from './compile/ops/index.ts';
export type { MemoryPlan, Placed } from './compile/plan/memory.ts';
export type { Target } from './compile/plan/program.ts';
export type { CompiledPort } from './compile/section.ts';
export { openCompiled } from './runtime/open-compiled.ts';
