import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { bind, type Dataset, writeNpz } from '../src/data/index.ts';
import { saveModel } from '../src/files/index.ts';
import { type Model, Tensor } from '../src/graph/index.ts';
import { openSession } from '../src/run/index.ts';
import { ROOT } from '../test/shared-data.ts';

/** What the Python tools made of a model in one way. */
export interface PythonVariant {
  /** The call: "quantize_static MinMax". */
  readonly how: string;
  /** "as given" or "pre-processed". */
  readonly source: string;
  /** What had to be done to the source first; '' for nothing. */
  readonly note: string;
  readonly seconds: number;
  /** Path of the model; undefined where `error` says why there is none. */
  readonly path?: string;
  readonly bytes?: number;
  readonly error?: string;
}

export interface PythonResult {
  /** Of the Python packages. */
  readonly versions: string;
  readonly variants: readonly PythonVariant[];
}

/** Seconds and bytes of memory that one way of quantizing may take. */
const LIMITS = { seconds: 60, bytes: 12 * 2 ** 30 };

/**
 * ONNX Runtime's quantizer in Python, by a command that the user names: MODICUM_PYTHON, as "python3" or "chroot DIR python3". Where
 * that command sees another root, MODICUM_PYTHON_ROOT is the folder which it sees as /.
 */
export class PythonQuantizer {
  readonly #command: readonly string[];
  readonly #root: string;
  readonly #folder: string;
  #stop = () => {};

  private constructor(command: readonly string[], root: string) {
    this.#command = command;
    this.#root = root;
    // Where both see it: the place for temporary files, under the other's root.
    const place = root === '/' ? tmpdir() : join(root, 'tmp');
    mkdirSync(place, { recursive: true });
    this.#folder = mkdtempSync(join(place, 'modicum-bench-'));
    process.on('exit', () => {
      this.#stop();
      rmSync(this.#folder, { recursive: true, force: true });
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
    copyFileSync(join(ROOT, 'bench/python/quantize.py'), join(this.#folder, 'quantize.py'));
  }

  /** Undefined where MODICUM_PYTHON is not set. */
  static fromEnvironment(): PythonQuantizer | undefined {
    const command = process.env.MODICUM_PYTHON?.trim().split(/\s+/).filter(Boolean) ?? [];
    if (command.length === 0) return undefined;
    return new PythonQuantizer(command, resolve(process.env.MODICUM_PYTHON_ROOT ?? '/'));
  }

  /**
   * Quantizes in every way that the script knows. `cleaned` stands in for a model that the tools cannot bring to a new enough opset.
   * Throws where the command as a whole fails; ways that fail say so in their rows.
   */
  async quantize(name: string, model: string, cleaned: Model, calibration: Dataset): Promise<PythonResult> {
    const folder = join(this.#folder, name);
    mkdirSync(folder);
    const inside = (path: string) => join('/', relative(this.#root, path));
    const place = (file: string) => join(folder, file);
    copyFileSync(model, place('model.onnx'));
    await saveModel(cleaned, place('cleaned.onnx'));
    await writeCalls(model, calibration, place('calibration.npz'));
    const job = {
      model: inside(place('model.onnx')),
      fallback: inside(place('cleaned.onnx')),
      calibration: inside(place('calibration.npz')),
      out: inside(folder),
      ...LIMITS,
    };
    await this.#run(JSON.stringify(job), inside(join(this.#folder, 'quantize.py')));
    const { versions, results } = JSON.parse(readFileSync(place('results.json'), 'utf8')) as {
      versions: string;
      results: (Omit<PythonVariant, 'path' | 'bytes'> & { file?: string })[];
    };
    const variants = results.map(({ file, ...row }): PythonVariant => {
      if (file === undefined) return row;
      return { ...row, path: place(file), bytes: statSync(place(file)).size };
    });
    return { versions, variants };
  }

  /** The script reads its job from standard input. Its chatter (every operator that it registers twice) is shown only if it fails. */
  #run(job: string, script: string): Promise<void> {
    const [program, ...args] = this.#command as [string, ...string[]];
    return new Promise((done, failed) => {
      const child = spawn(program, [...args, script], { stdio: 'pipe', detached: true });
      // A group of its own: what the script forked ends with it.
      this.#stop = () => {
        if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
          process.kill(-child.pid, 'SIGKILL');
        }
      };
      let said = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          said = (said + text).slice(-2000);
        });
      }
      child.on('error', failed);
      child.on('close', (code, killer) => {
        if (code === 0) done();
        else failed(new Error(`the Python command ended with ${code ?? killer}: ${said.trim()}`));
      });
      child.stdin.on('error', () => {
        // It ended before it read its job: the exit status tells.
      });
      child.stdin.end(job);
    });
  }
}

/** The samples as the calls of a model, one sample each: arrays named as its inputs, first axis the calls. */
async function writeCalls(model: string, samples: Dataset, path: string): Promise<void> {
  const session = await openSession(model, { threads: 1 });
  const { inputs } = session;
  await session.dispose();
  const calls: Readonly<Record<string, Tensor>>[] = [];
  for await (const { feeds } of bind(samples, inputs, { batch: 1 })) calls.push(feeds);
  const arrays: Record<string, Tensor> = {};
  for (const name of Object.keys(calls[0] ?? {})) {
    const pieces = calls.map((feeds) => feeds[name]!);
    const { dtype, dims } = pieces[0]!;
    arrays[name] = Tensor.ofBytes(
      dtype,
      [pieces.length, ...dims],
      new Uint8Array(Buffer.concat(pieces.map((piece) => piece.bytes()))),
    );
  }
  await writeNpz(path, arrays);
}
