import { open as openFile, readdir, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { fail, messageOf } from '../base/index.ts';
import { openIdx } from './arrays/idx.ts';
import { openNpy, openNpz } from './arrays/numpy.ts';
import { audioKind } from './audio/audio.ts';
import type { Dataset } from './dataset.ts';
import { datasetOfFiles } from './folders/dataset-of-files.ts';
import { openRaw } from './folders/raw.ts';
import { imageKind } from './images/images.ts';
import { checkOptions, DATA_KINDS, type DataKind, type DataOptions, type FullOptions } from './options.ts';
import { preprocessed } from './preprocess.ts';
import { withSidecar } from './sidecar.ts';
import { partOf } from './subset.ts';
import { openCsv } from './tables/csv.ts';
import { openJsonl } from './tables/jsonl.ts';
import { openModule } from './tables/module.ts';
import { openParquet } from './tables/parquet.ts';

/** A kind of data: how it is known, and how it is opened. */
interface KindRow {
  /** File name endings, lower case. */
  readonly endings: readonly string[];
  /** The first bytes of a file of this kind, where they tell. */
  readonly magic?: string;
  /** True where a folder of files with these endings is such data. */
  readonly folder: boolean;
  open(path: string, isFile: boolean, options: FullOptions): Promise<Dataset>;
}

/** Every kind of data, in the order in which they are tried. A new kind is one line here. */
const KINDS = {
  npz: {
    endings: ['.npz'],
    magic: 'PK\x03\x04',
    folder: false,
    open: (path, _, options) => openNpz(path, numpyOptions(options)),
  },
  npy: {
    endings: ['.npy'],
    magic: '\x93NUMPY',
    folder: false,
    open: (path, _, options) => openNpy(path, numpyOptions(options)),
  },
  images: {
    endings: ['.png', '.jpg', '.jpeg'],
    folder: true,
    open: (path, isFile, options) =>
      datasetOfFiles(path, isFile, imageKind(options.preprocess.image), options),
  },
  audio: {
    endings: ['.wav', '.wave'],
    folder: true,
    open: (path, isFile, options) =>
      datasetOfFiles(path, isFile, audioKind(options.preprocess.audio), options),
  },
  raw: { endings: ['.bin', '.raw'], folder: true, open: openRaw },
  jsonl: {
    endings: ['.jsonl', '.ndjson'],
    folder: false,
    open: (path, _, options) => openJsonl(path, options),
  },
  csv: { endings: ['.csv', '.tsv'], folder: false, open: (path, _, options) => openCsv(path, options) },
  parquet: {
    endings: ['.parquet'],
    magic: 'PAR1',
    folder: false,
    open: (path, _, options) => openParquet(path, options),
  },
  idx: {
    endings: ['-ubyte', '-ubyte.gz', '.idx', '.idx.gz'],
    folder: false,
    open: (path, _, options) => openIdx(path, options),
  },
  module: {
    endings: ['.ts', '.mts', '.js', '.mjs', '.cjs'],
    folder: false,
    open: (path) => openModule(path),
  },
} as const satisfies Record<DataKind, KindRow>;

/**
 * Opens data of any kind: of options.kind, else by its name, its first bytes, or (a folder) its files. A dataset.json in
 * the folder, or `<file>.dataset.json` beside a file, holds the same options; those given here come before it.
 * Throws FILE_NOT_FOUND, DATA_FORMAT_UNKNOWN, DATA_DAMAGED, DATA_EMPTY, USAGE_BAD_OPTION and others of DATA_*.
 */
export async function openDataset(path: string, options: DataOptions = {}): Promise<Dataset> {
  const given = await withSidecar(path, options);
  const full = checkOptions(given.options, basename(given.path));
  const isFile = await isRegular(given.path);
  const kind = full.kind ?? (isFile ? await kindOfFile(given.path) : await kindOfFolder(given.path, full));
  if (kind === 'module' && given.fromFile) {
    const why = `${path} leads to ${given.path}: data that comes with code is opened only by the path of the module itself`;
    throw fail('USAGE_BAD_OPTION', why, { path });
  }
  const row: KindRow = KINDS[kind];
  if (!isFile && !row.folder) throw fail('FILE_UNREADABLE', `${given.path} is a folder, no ${kind} file`);
  const dataset = preprocessed(await row.open(given.path, isFile, full), full.preprocess);
  const chosen = full.labels.none ? withoutLabels(dataset) : dataset;
  return full.part === undefined ? chosen : partOf(chosen, full.part);
}

function withoutLabels(dataset: Dataset): Dataset {
  return {
    ...dataset,
    labels: undefined,
    async *read(options) {
      for await (const { indices, feeds } of dataset.read(options)) yield { indices, feeds };
    },
  };
}

function numpyOptions({ field, labels }: FullOptions) {
  return { field, labels: labels.array, classes: labels.classes };
}

async function isRegular(path: string): Promise<boolean> {
  const found = await stat(path).catch((cause) => {
    throw fail('FILE_NOT_FOUND', path, { path }, cause);
  });
  if (found.isFile() || found.isDirectory()) return found.isFile();
  throw fail('FILE_UNREADABLE', `${path} is neither a file nor a folder`, { path });
}

async function kindOfFile(path: string): Promise<DataKind> {
  const name = basename(path).toLowerCase();
  const byName = DATA_KINDS.find((kind) => KINDS[kind].endings.some((ending) => name.endsWith(ending)));
  return byName ?? (await kindByMagic(path)) ?? unknown(path);
}

async function kindByMagic(path: string): Promise<DataKind | undefined> {
  const head = Buffer.alloc(8);
  try {
    const handle = await openFile(path);
    await handle.read(head, 0, head.length, 0).finally(() => handle.close());
  } catch (cause) {
    throw fail('FILE_UNREADABLE', `${path}: ${messageOf(cause)}`, { path }, cause);
  }
  const text = head.toString('latin1');
  return DATA_KINDS.find((kind) => {
    const row: KindRow = KINDS[kind];
    return row.magic !== undefined && text.startsWith(row.magic);
  });
}

/** The first kind of a folder's files, looking into its subfolders. */
async function kindOfFolder(path: string, options: FullOptions): Promise<DataKind> {
  if (options.raw) return 'raw';
  const queue = [path];
  for (let looked = 0; looked < 1000; looked++) {
    const folder = queue.shift();
    if (folder === undefined) break;
    const entries = await readdir(folder, { withFileTypes: true }).catch((cause) => {
      throw fail('FILE_UNREADABLE', `${folder}: ${messageOf(cause)}`, { path: folder }, cause);
    });
    for (const entry of entries) {
      const ending = extname(entry.name).toLowerCase();
      const kind = DATA_KINDS.find(
        (name) => KINDS[name].folder && (KINDS[name].endings as readonly string[]).includes(ending),
      );
      if (entry.isFile() && kind) return kind;
      if (entry.isDirectory() && !entry.name.startsWith('.')) queue.push(join(folder, entry.name));
    }
  }
  return unknown(path);
}

function unknown(path: string): never {
  const kinds = DATA_KINDS.map((kind) => `${kind} (${KINDS[kind].endings.join(', ')})`).join('; ');
  const folders = DATA_KINDS.filter((kind) => KINDS[kind].folder).join(', ');
  const why = `${path} is none of: ${kinds}; a folder holds ${folders}`;
  throw fail('DATA_FORMAT_UNKNOWN', why, {
    path,
    hint: 'Tell its kind with the option kind; see docs/data.md.',
  });
}
