import { fail } from '../../base/index.ts';
import { type DType, type Model, sizeOf } from '../../graph/index.ts';
import { lower, refusal } from '../compile/compile.ts';
import type { LoopFunction } from '../compile/loop/ir.ts';
import { type MemoryPlan, planMemory } from '../compile/plan/memory.ts';
import type { Step } from '../compile/plan/program.ts';
import type { Buffer, View } from '../compile/plan/view.ts';
import { constantArray } from './constants.ts';
import { everyCallee, functionC, mayFail, writtenParams } from './function.ts';
import { type CPort, headerText } from './header.ts';
import { helpersText } from './helpers.ts';
import { commentText, identifier, Names } from './names.ts';

export interface COptions {
  /** Begins every name in the code, and is the name of the files: letters, digits and underscores. */
  readonly name: string;
  /** What the classes are called, in their order. */
  readonly labels?: readonly string[];
}

/** A model as C99: two files that need nothing else. */
export interface CProgram {
  /** NAME.h */
  readonly header: string;
  /** NAME.c */
  readonly source: string;
  /** Bytes of the constant arrays. The code itself comes on top: that is up to the compiler. */
  readonly flashBytes: number;
  /** Bytes of the static arena. Inputs, outputs and the stack (a few hundred bytes) are the caller's. */
  readonly ramBytes: number;
  readonly memory: MemoryPlan;
}

/**
 * Compiles a model with static shapes, cleaned up beforehand, into plain C99: no allocation, no library but sqrtf where there is a
 * square root, weights in constant arrays, and one static arena. It gives the bits that the scalar WebAssembly gives, under a
 * compiler that neither contracts nor reorders float arithmetic (-ffp-contract=off). Throws EDGE_UNSUPPORTED, EDGE_DYNAMIC_SHAPE, and
 * USAGE_BAD_OPTION for a name that is no C name.
 */
export function emitC(model: Model, { name, labels }: COptions): CProgram {
  if (identifier(name) !== name)
    throw fail('USAGE_BAD_OPTION', `--name ${name} is no name in C; ${identifier(name)} would be one`);
  const lowered = lower(model, 'scalar');
  if (lowered.obstacles.length > 0) throw refusal(lowered.obstacles);
  const { program } = lowered;
  const memory = planMemory(
    program,
    lowered.outputs.map(([, , { buffer }]) => buffer),
    'caller',
  );
  const helpers = new Set<string>();
  const names = new Names();
  for (const own of [name, 'run', 'memory', 'at']) names.give(own);
  const functions = everyCallee(program.functions());
  const functionNames = new Map<LoopFunction, string>();
  for (const fn of functions) functionNames.set(fn, `${name}_k_${names.give(fn.name)}`);
  const unit = { prefix: name, helpers, nameOf: (fn: LoopFunction) => functionNames.get(fn)! };
  const code = functions.map((fn) => functionC(fn, unit));
  const ports = portsOf(lowered.inputs, lowered.outputs, name);
  const places = new Map<Buffer, string>();
  const arrays: string[] = [];
  let flashBytes = 0;
  for (const buffer of program.buffers) {
    const port = ports.find((one) => one.buffer === buffer);
    if (port !== undefined) places.set(buffer, port.param);
    else if (buffer.data !== undefined && memory.addresses.has(buffer)) {
      const array = `${name}_w${arrays.length}_${identifier(buffer.name).slice(0, 40)}`;
      arrays.push(constantArray(array, buffer));
      places.set(buffer, array);
      flashBytes += buffer.data.length;
    }
  }
  const placed = (buffer: Buffer, offset: number, written: boolean): string => {
    const place = places.get(buffer);
    const type = written ? 'uint8_t *' : 'const uint8_t *';
    if (place === undefined) {
      const at = memory.addresses.get(buffer)! - memory.start + offset;
      return at === 0 ? `${name}_at` : `${name}_at + ${at}`;
    }
    const cast = `(${type})${place}`;
    return offset === 0 ? cast : `${cast} + ${offset}`;
  };
  const lines = stepLines(program.steps, unit.nameOf, placed);
  const touched = new Set(program.steps.flatMap(({ args }) => args.map(({ buffer }) => buffer)));
  const macro = name.toUpperCase();
  const source = [
    `/* ${name}: made by modicum edge --target c. Compile it with -std=c99 -ffp-contract=off. */`,
    `#include "${name}.h"`,
    ...(helpers.has('sqrtf') ? ['#include <math.h>'] : []),
    '',
    '#if defined(__clang__)',
    '#pragma STDC FP_CONTRACT OFF',
    '#endif',
    '',
    helpersText(helpers, name),
    ...arrays,
    ...code,
    ...arenaText(name, memory.arena),
    `int ${name}_run(${ports.map(({ parameter }) => parameter).join(', ')})`,
    '{',
    ...(memory.arena > 0 ? [`    uint8_t *const ${name}_at = ${name}_memory.bytes;`] : []),
    ...ports.filter(({ buffer }) => !touched.has(buffer)).map(({ param }) => `    (void)${param};`),
    ...lines,
    `    return ${macro}_OK;`,
    '}',
    '',
  ].join('\n');
  const header = headerText({ name, ports, labels, arena: memory.arena, flash: flashBytes });
  return { header, source, flashBytes, ramBytes: memory.arena, memory };
}

/** The steps as calls, with the node that each belongs to. */
function stepLines(
  steps: readonly Step[],
  nameOf: (fn: LoopFunction) => string,
  placed: (buffer: Buffer, offset: number, written: boolean) => string,
): string[] {
  let label: string | undefined;
  return steps.flatMap((step) => {
    const { fn, args } = step;
    const written = writtenParams(fn);
    const given = args.map(({ buffer, offset }, i) => {
      const writes = written[i]!;
      if (writes && (buffer.data !== undefined || buffer.pinned === 'input'))
        throw fail('INTERNAL', `${step.label} writes into ${buffer.name}`);
      return placed(buffer, offset, writes);
    });
    const call = `${nameOf(fn)}(${given.join(', ')})`;
    const lines = mayFail(fn) ? [`    if (${call} != 0) { return 1; }`] : [`    ${call};`];
    if (step.label !== label) lines.unshift(`    /* ${commentText(step.label)} */`);
    label = step.label;
    return lines;
  });
}

function arenaText(name: string, bytes: number): string[] {
  if (bytes === 0) return [];
  return [`static union { uint8_t bytes[${bytes}]; float f32; int64_t i64; } ${name}_memory;`, ''];
}

interface PlacedPort extends CPort {
  readonly buffer: Buffer;
  readonly parameter: string;
}

const C_TYPES: Partial<Record<DType, string>> = {
  float32: 'float',
  int32: 'int32_t',
  int64: 'int64_t',
  bool: 'uint8_t',
  uint8: 'uint8_t',
  int8: 'int8_t',
};

function portsOf(
  inputs: readonly [string, DType, View][],
  outputs: readonly [string, DType, View][],
  prefix: string,
): PlacedPort[] {
  const names = new Names();
  names.give(`${prefix}_at`);
  return [inputs, outputs].flatMap((list, i) =>
    list.map(([port, dtype, { buffer, dims }]): PlacedPort => {
      const own = names.give(port);
      // So that no name within can be meant.
      const param = own.startsWith(`${prefix}_`) ? names.give(`p_${own}`) : own;
      const type = C_TYPES[dtype]!;
      return {
        ...{ port, param, type, dims, elements: sizeOf(dims), buffer },
        kind: i === 0 ? 'input' : 'output',
        parameter: `${i === 0 ? 'const ' : ''}${type} *${param}`,
      };
    }),
  );
}
