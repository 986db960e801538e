import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { emitC } from '../../src/edge/index.ts';
import { type Model, Tensor } from '../../src/graph/index.ts';
import type { Feeds, Fetches } from '../../src/run/index.ts';
import { hasCompiler, STRICT } from './c-programs.ts';
import { compiledPorts } from './compiled.ts';

/*
 * C on a Cortex-M4F: built by GCC for Arm, run by QEMU on the board that it calls mps2-an386. There is no library: what a chip needs
 * to start, and the semihosting calls that print and end, are here.
 */

const GCC = 'arm-none-eabi-gcc';
const QEMU = 'qemu-system-arm';
const CPU = ['-mcpu=cortex-m4', '-mthumb', '-mfloat-abi=hard', '-mfpu=fpv4-sp-d16'];

export const hasArm = (): boolean => hasCompiler(GCC);
export const hasBoard = (): boolean => hasArm() && hasCompiler(QEMU);

export interface ArmSize {
  /** Bytes of machine code and of constants (text and rodata), of memory that starts as zeros (bss), and of other memory. */
  readonly text: number;
  readonly bss: number;
  readonly data: number;
}

/** What one model takes in flash and RAM, by `size`. */
export async function armSize(
  program: { header: string; source: string },
  name: string,
  optimize = '-O2',
): Promise<ArmSize> {
  return inFolder(async (folder) => {
    writeFileSync(join(folder, `${name}.h`), program.header);
    writeFileSync(join(folder, `${name}.c`), program.source);
    await build(folder, [...CPU, ...STRICT, optimize, '-c', `${name}.c`, '-o', 'model.o']);
    const { stdout } = await promisify(execFile)('arm-none-eabi-size', [join(folder, 'model.o')]);
    const [text = 0, data = 0, bss = 0] = stdout.split('\n')[1]!.trim().split(/\s+/).map(Number);
    return { text, data, bss };
  });
}

export interface BoardRun {
  readonly outputs: Fetches;
  /** Machine instructions of one run, to 40. */
  readonly instructions: number;
  /** Bytes of stack that one run touched. */
  readonly stack: number;
}

/** One run on the emulated board. */
export async function runOnBoard(model: Model, feeds: Feeds, optimize = '-O2'): Promise<BoardRun> {
  return inFolder(async (folder) => {
    const { header, source } = emitC(model, { name: 'model' });
    const outputs = compiledPorts(model);
    writeFileSync(join(folder, 'model.h'), header);
    writeFileSync(join(folder, 'model.c'), source);
    const inputs = model.graph.inputs.map(({ name }) => feeds[name]!.bytes());
    writeFileSync(
      join(folder, 'main.c'),
      mainText(
        inputs,
        outputs.map(({ bytes }) => bytes),
      ),
    );
    writeFileSync(join(folder, 'board.ld'), LINKING);
    const flags = [...CPU, ...STRICT, optimize, '-ffreestanding', '-fno-tree-loop-distribute-patterns'];
    await build(folder, [
      ...flags,
      ...['-nostartfiles', '-T', 'board.ld', 'main.c', 'model.c', '-lm', '-o', 'board.elf'],
    ]);
    const ran = spawnSync(
      QEMU,
      [
        ...[
          '-machine',
          'mps2-an386',
          '-nographic',
          '-monitor',
          'none',
          '-serial',
          'none',
          '-icount',
          'shift=0',
        ],
        ...['-semihosting-config', 'enable=on,target=native', '-kernel', join(folder, 'board.elf')],
      ],
      { encoding: 'utf8', timeout: 120_000 },
    );
    const text = `${ran.stdout}${ran.stderr}`;
    const said = /status (\w+) ticks (\w+) stack (\w+)\n([0-9a-f\n]*)end/.exec(text);
    assert.ok(said, `the board said: ${text.slice(0, 500)} ${ran.error ?? ''}`);
    assert.equal(Number.parseInt(said[1]!, 16), 0);
    const parts = said[4]!.trim().split('\n');
    return {
      outputs: Object.fromEntries(
        outputs.map(({ name, dtype, dims }, i) => [
          name,
          Tensor.ofBytes(dtype, dims, Uint8Array.from(Buffer.from(parts[i]!, 'hex'))),
        ]),
      ),
      instructions: Number.parseInt(said[2]!, 16) * 40,
      stack: Number.parseInt(said[3]!, 16),
    };
  });
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'modicum-m4-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function build(folder: string, args: readonly string[]): Promise<void> {
  const settled = await promisify(execFile)(GCC, args, { cwd: folder }).catch(
    (cause: Error & { stderr?: string }) => cause,
  );
  assert.ok(!(settled instanceof Error), `${settled.stderr?.slice(0, 3000)}`);
}

const LINKING = `ENTRY(start)
MEMORY { FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 4M  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 4M }
stack_top = 0x20400000;
SECTIONS {
  .text : { LONG(stack_top) LONG(start | 1) *(.text*) *(.rodata*) } > FLASH
  .ARM.exidx : { *(.ARM.exidx*) } > FLASH
  .data : { *(.data*) } > RAM
  .bss : { *(.bss*) *(COMMON) } > RAM
}
`;

/** The clock of the board ticks at 25 MHz; with -icount shift=0 an instruction takes 1 ns, so that a tick is 40 of them. */
function mainText(inputs: readonly Uint8Array[], outputs: readonly number[]): string {
  const words = (bytes: Uint8Array) =>
    Array.from({ length: Math.ceil(bytes.length / 8) }, (_, i) => {
      const eight = new Uint8Array(8);
      eight.set(bytes.subarray(i * 8, i * 8 + 8));
      return `0x${new DataView(eight.buffer).getBigUint64(0, true).toString(16)}ULL`;
    });
  const args = [...inputs.map((_, i) => `(const void *)in${i}`), ...outputs.map((_, i) => `(void *)out${i}`)];
  return `#include "model.h"
${inputs.map((bytes, i) => `static const uint64_t in${i}[] = { ${words(bytes).join(', ')} };`).join('\n')}
${outputs.map((bytes, i) => `static uint64_t out${i}[${Math.ceil(bytes / 8)}];`).join('\n')}

#define REGISTER(at) (*(volatile uint32_t *)(at))
#define PAINT 0xa5a5a5a5U
#define PAINTED 65536U
void start(void);

static int32_t ask(int32_t what, const void *with)
{
    register int32_t r0 __asm__("r0") = what;
    register const void *r1 __asm__("r1") = with;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void print(const char *text) { (void)ask(4, text); }

static void print_hex(const uint8_t *bytes, int32_t count)
{
    static char text[3];
    int32_t i;
    for (i = 0; i < count; i++) {
        text[0] = "0123456789abcdef"[bytes[i] >> 4];
        text[1] = "0123456789abcdef"[bytes[i] & 15];
        print(text);
    }
}

static void print_number(uint32_t n)
{
    uint8_t bytes[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
    print_hex(bytes, 4);
}

__attribute__((noinline)) static int run(void)
{
    return model_run(${args.join(', ')});
}

static void measured(void)
{
    volatile uint32_t *top;
    volatile uint32_t *at;
    uint32_t ticks;
    int status;
    __asm__ volatile("mov %0, sp" : "=r"(top));
    at = top - PAINTED / 4U;
    for (; at != top; at++) { *at = PAINT; }
    REGISTER(0xe000e014) = 0xffffffU;
    REGISTER(0xe000e018) = 0;
    REGISTER(0xe000e010) = 5;
    ticks = REGISTER(0xe000e018);
    status = run();
    ticks = (ticks - REGISTER(0xe000e018)) & 0xffffffU;
    for (at = top - PAINTED / 4U; *at == PAINT; at++) { }
    print("status ");
    print_number((uint32_t)status);
    print(" ticks ");
    print_number(ticks);
    print(" stack ");
    print_number((uint32_t)(top - at) * 4U);
    print("\\n");
${outputs.map((bytes, i) => `    print_hex((const uint8_t *)out${i}, ${bytes});\n    print("\\n");`).join('\n')}
    print("end\\n");
}

void start(void)
{
    REGISTER(0xe000ed88) |= 0xf00000U; /* the float unit */
    __asm__ volatile("dsb\\n isb");
    measured();
    (void)ask(24, (const void *)0x20026);
    for (;;) { }
}
`;
}
