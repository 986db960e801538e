import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../base/index.ts';
import { loadModel, saveModel } from '../../files/index.ts';
import type { Model } from '../../graph/index.ts';
import { lineOf, readLines } from './journal-text.ts';

/** What the search was asked for, plain JSON: a journal is only taken up by the same request. */
export type Request = Readonly<Record<string, unknown>>;

interface Header {
  readonly format: 'modicum-search';
  readonly version: 1;
  readonly request: Request;
  /** Seconds that the search was given when it began. */
  readonly budget: number;
}

interface Entry {
  readonly step: string;
  readonly value: unknown;
  /** Seconds of the search when the step was done. */
  readonly at: number;
}

const FILE = 'journal.jsonl';

/**
 * What a search has done so far, on disk: every finished step with its result, in order, and the models it made. A step
 * that is there is not done again. Without a folder it is kept in memory alone.
 */
export class Journal {
  /** Seconds that the search was given when it began. */
  readonly budget: number;
  readonly folder: string | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #started = performance.now();
  #offset = 0;
  #clock = 0;
  #left = 0;
  #handle: FileHandle | undefined;
  /** The first line of a journal that is not on the disk yet: a request that fails before its first step leaves no folder. */
  #header: Header | undefined;

  private constructor(folder: string | undefined, budget: number) {
    this.folder = folder;
    this.budget = budget;
  }

  /** A journal in memory. */
  static inMemory(budget: number): Journal {
    return new Journal(undefined, budget);
  }

  /**
   * Opens the journal of a folder. `resume`: goes on with what is there, where there is something; without it the folder
   * is emptied. A line that a crash cut short is dropped, and all after it. Throws OPTIMIZE_JOURNAL_INVALID where the
   * journal is of another request, FILE_NOT_WRITTEN.
   */
  static async open(folder: string, request: Request, budget: number, resume: boolean): Promise<Journal> {
    const file = join(folder, FILE);
    const found = resume ? await readFile(file).catch(() => undefined) : undefined;
    const { values, length } = found === undefined ? { values: [], length: 0 } : readLines(found);
    const [header, ...entries] = values as [Header?, ...Entry[]];
    if (header === undefined) return Journal.#begin(folder, request, budget);
    if (header.format !== 'modicum-search' || header.version !== 1) {
      throw fail('OPTIMIZE_JOURNAL_INVALID', `${file} is of another version`, { file });
    }
    const changed = differing(header.request, request);
    if (changed !== undefined) {
      throw fail('OPTIMIZE_JOURNAL_INVALID', `${file} is of a search with another ${changed}`, {
        file,
        before: header.request[changed],
        now: request[changed],
      });
    }
    const journal = new Journal(folder, header.budget);
    for (const entry of entries) journal.#entries.set(entry.step, entry);
    journal.#left = journal.#entries.size;
    journal.#offset = entries.at(-1)?.at ?? 0;
    journal.#handle = await open(file, 'r+');
    await journal.#handle.truncate(length);
    return journal;
  }

  static async #begin(folder: string, request: Request, budget: number): Promise<Journal> {
    await rm(folder, { recursive: true, force: true });
    const journal = new Journal(folder, budget);
    journal.#header = { format: 'modicum-search', version: 1, request, budget };
    return journal;
  }

  /** Finished steps that are known. */
  get size(): number {
    return this.#entries.size;
  }

  /** Steps of an earlier run that this one has not come to yet. */
  get left(): number {
    return this.#left;
  }

  /**
   * Seconds of the search, of earlier runs too, when the latest step was done: it stands still in between, so that what is
   * decided by it is decided alike when the steps are read back.
   */
  get seconds(): number {
    return this.#clock;
  }

  /** The recorded result of a step, or what `work` gives, which is recorded. What `work` throws is recorded by nobody. */
  async step<T>(step: string, work: () => Promise<T>): Promise<T> {
    const known = this.#entries.get(step);
    if (known !== undefined) {
      if (this.#left > 0) {
        this.#left--;
        this.#clock = Math.max(this.#clock, known.at);
      }
      return known.value as T;
    }
    const value = await work();
    this.#clock = this.#offset + (performance.now() - this.#started) / 1000;
    const entry = { step, value, at: this.#clock };
    this.#entries.set(step, entry);
    await this.#append(entry);
    return value;
  }

  /** Keeps a model under a key until the search is done. */
  async keepModel(key: string, model: Model): Promise<void> {
    const file = this.#modelFile(key);
    if (file === undefined) return;
    await this.#appear();
    await saveModel(model, file);
  }

  /** A model that was kept; undefined where there is none, or none that can be read. */
  async keptModel(key: string): Promise<Model | undefined> {
    const file = this.#modelFile(key);
    return file === undefined ? undefined : loadModel(file).catch(() => undefined);
  }

  /** Ends writing; the folder of a search that has done a step stays, to be taken up again. */
  async close(): Promise<void> {
    this.#header = undefined;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** Ends writing and removes the folder: the search is done. */
  async remove(): Promise<void> {
    await this.close();
    if (this.folder !== undefined) await rm(this.folder, { recursive: true, force: true });
  }

  #modelFile(key: string): string | undefined {
    const name = createHash('sha256').update(key).digest('hex').slice(0, 16);
    return this.folder === undefined ? undefined : join(this.folder, 'models', `${name}.onnx`);
  }

  async #appear(): Promise<void> {
    const header = this.#header;
    if (header === undefined || this.folder === undefined) return;
    this.#header = undefined;
    await mkdir(join(this.folder, 'models'), { recursive: true });
    this.#handle = await open(join(this.folder, FILE), 'wx');
    await this.#append(header);
  }

  /** A step counts once it is on the disk. */
  async #append(value: unknown): Promise<void> {
    await this.#appear();
    if (this.#handle === undefined) return;
    const { size } = await this.#handle.stat();
    const bytes = Buffer.from(lineOf(value));
    await this.#handle.write(bytes, 0, bytes.length, size);
    await this.#handle.datasync();
  }
}

/** The first part of a request that is not as it was. */
function differing(before: Request, now: Request): string | undefined {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...names].find((name) => JSON.stringify(before[name]) !== JSON.stringify(now[name]));
}
