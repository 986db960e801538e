import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CProgram, emitC } from '../../src/edge/index.ts';
import { type Model, sizeOf, Tensor } from '../../src/graph/index.ts';
import type { Feeds, Fetches } from '../../src/run/index.ts';
import { compiledPorts } from './compiled.ts';

/** What the compiler of C is held to. */
export const STRICT = [
  ...['-std=c99', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-ffp-contract=off'],
  ...['-Wstrict-prototypes', '-Wmissing-prototypes'],
];

/** Finds reads and writes beyond arrays, sums that overflow, pointers that are not aligned. */
export const SANITIZED = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

export const hasCompiler = (command = 'gcc'): boolean =>
  spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

export interface CTrial {
  readonly model: Model;
  readonly feeds: Feeds;
}

export interface CAnswers {
  readonly programs: readonly CProgram[];
  /** Of each trial: its outputs, or undefined where it refused an index. */
  readonly answers: readonly (Fetches | undefined)[];
}

/** Files beside each other, compiled into one program. */
export async function compileC(
  folder: string,
  sources: Readonly<Record<string, string>>,
  flags: readonly string[],
  command = 'gcc',
): Promise<string> {
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(folder, name), text);
  const program = join(folder, 'program');
  const files = Object.keys(sources).filter((name) => name.endsWith('.c'));
  const run = promisify(execFile);
  const settled = await run(command, [...flags, '-o', program, ...files, '-lm'], { cwd: folder }).catch(
    (cause: Error & { stderr?: string }) => cause,
  );
  assert.ok(!(settled instanceof Error), `${settled.stderr?.slice(0, 3000)}`);
  return program;
}

/**
 * All trials as one program, each a model of its own, on arrays of exactly their sizes. `change` may alter a source before it is
 * compiled.
 */
export async function answersInC(
  trials: readonly CTrial[],
  {
    flags = ['-O1'],
    change = (source: string) => source,
  }: { flags?: readonly string[]; change?: (source: string, i: number) => string } = {},
): Promise<CAnswers> {
  const folder = mkdtempSync(join(tmpdir(), 'modicum-c-'));
  try {
    const sources: Record<string, string> = {};
    const bodies: string[] = [];
    const inputs: Uint8Array[] = [];
    const programs = trials.map(({ model, feeds }, i) => {
      const name = `m${i}`;
      const made = emitC(model, { name });
      sources[`${name}.h`] = made.header;
      sources[`${name}.c`] = change(made.source, i);
      const { graph } = model;
      const sizes = [
        ...graph.inputs.map((port) => feeds[port.name]!.bytes().length),
        ...compiledPorts(model).map(({ bytes }) => bytes),
      ];
      for (const port of graph.inputs) inputs.push(feeds[port.name]!.bytes());
      const arrays = sizes.map((bytes) => `room(${bytes})`);
      bodies.push(
        [
          '{',
          `  void *a[] = { ${arrays.join(', ')} };`,
          ...graph.inputs.map((_, k) => `  take(a[${k}], ${sizes[k]});`),
          `  tell(${name}_run(${sizes.map((_, k) => `a[${k}]`).join(', ')}));`,
          ...sizes.map((bytes, k) => (k < graph.inputs.length ? '' : `  give(a[${k}], ${bytes});`)),
          ...sizes.map((_, k) => `  free(a[${k}]);`),
          '}',
        ].join('\n'),
      );
      return made;
    });
    sources['main.c'] = mainText(trials.length, bodies);
    const program = await compileC(folder, sources, [...STRICT, ...flags]);
    writeFileSync(join(folder, 'in'), Buffer.concat(inputs));
    const ran = spawnSync(program, [join(folder, 'in'), join(folder, 'out')], { encoding: 'utf8' });
    assert.equal(ran.status, 0, `the program ended with ${ran.status} ${ran.signal}: ${ran.stderr}`);
    const out = readFileSync(join(folder, 'out'));
    let at = 0;
    const answers = trials.map(({ model }) => {
      const status = out[at++];
      const entries = compiledPorts(model).map(({ name, dtype, dims, bytes }) => {
        const own = Uint8Array.from(out.subarray(at, at + bytes));
        at += bytes;
        return [name, Tensor.ofBytes(dtype, dims, own)] as const;
      });
      return status === 0 ? Object.fromEntries(entries) : undefined;
    });
    assert.equal(at, out.length);
    return { programs, answers };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function mainText(count: number, bodies: readonly string[]): string {
  const includes = Array.from({ length: count }, (_, i) => `#include "m${i}.h"`);
  return `${includes.join('\n')}
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *in;
static FILE *out;
static void *room(size_t bytes) { void *p = malloc(bytes); memset(p, 0x55, bytes); return p; }
static void take(void *to, size_t bytes) { if (fread(to, 1, bytes, in) != bytes) exit(2); }
static void give(const void *from, size_t bytes) { if (fwrite(from, 1, bytes, out) != bytes) exit(3); }
static void tell(int status) { fputc(status, out); }

int main(int argc, char **argv)
{
  if (argc != 3) return 4;
  in = fopen(argv[1], "rb");
  out = fopen(argv[2], "wb");
  if (in == NULL || out == NULL) return 5;
${bodies.join('\n')}
  return fclose(out);
}
`;
}

/** The outputs whose bits differ, or whose sizes do. */
export function differing(found: Fetches | undefined, wanted: Fetches): string[] {
  if (found === undefined) return ['refused'];
  return Object.entries(wanted).flatMap(([name, want]) => {
    const [a, b] = [found[name]!.bytes(), want.bytes()];
    assert.equal(a.length, b.length);
    const at = b.findIndex((byte, i) => byte !== a[i]);
    if (at < 0) return [];
    const own = Math.floor((at * want.size) / b.length);
    const both = `${found[name]!.numbers()[own]}, not ${want.numbers()[own]}`;
    return bothNaN(found[name]!, want) ? [] : [`${name} at ${own} of ${sizeOf(want.dims)}: ${both}`];
  });
}

/** Engines may choose the bits of a NaN: those are equal here. */
function bothNaN(found: Tensor, wanted: Tensor): boolean {
  if (found.dtype !== 'float32') return false;
  const [a, b] = [found.as('float32'), wanted.as('float32')];
  return a.every((value, i) => Object.is(value, b[i]));
}
