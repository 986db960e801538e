import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fail, messageOf, throwIfAborted } from '../../base/index.ts';
import type { Tensor } from '../../graph/index.ts';
import { orDamaged } from '../arrays/byte-file.ts';
import type { Dataset } from '../dataset.ts';
import type { FullOptions } from '../options.ts';
import { datasetOf } from '../source.ts';
import { fileLabels, labelledElsewhere } from './file-labels.ts';
import { arrange, type Listed } from './listing.ts';

export interface FileKind {
  readonly extensions: readonly string[];
  /** One file as one sample. Whatever it throws means that the file is damaged. */
  decode(bytes: Uint8Array, name: string): Tensor;
  /** What to do where files give samples of different shapes. */
  readonly uneven: string;
}

/** A dataset of one sample per file, below a folder or alone. Throws DATA_EMPTY, DATA_DAMAGED, DATA_NO_LABELS. */
export async function datasetOfFiles(
  path: string,
  isFile: boolean,
  kind: FileKind,
  options: FullOptions,
): Promise<Dataset> {
  const listing = await arrange(path, isFile, kind.extensions, labelledElsewhere(options.labels));
  const { files, parts } = listing;
  const labels = isFile ? undefined : await fileLabels(path, listing, options.labels);
  const { dtype, dims } = await decodeFile(files[0]!, kind);
  return datasetOf({
    name: basename(path),
    size: files.length,
    fields: [{ name: options.field, dtype, dims }],
    labels: labels && { dtype: labels.code.dtype, dims: [], classes: labels.code.classes },
    parts,
    async *samples({ indices, fields, signal }) {
      for (const index of indices) {
        throwIfAborted(signal);
        const values: Uint8Array[] = [];
        if (fields.length > 0) {
          const tensor = await decodeFile(files[index]!, kind);
          if (String(tensor.dims) !== String(dims)) {
            const why = `${files[index]?.name} gives [${tensor.dims}], ${files[0]?.name} [${dims}]`;
            throw fail('DATA_SHAPE_MISMATCH', why, { file: files[index]?.name, hint: kind.uneven });
          }
          for (const _ of fields) values.push(tensor.bytes());
        }
        yield { index, values, label: labels?.of(index) };
      }
    },
  });
}

async function decodeFile(file: Listed, kind: FileKind): Promise<Tensor> {
  const bytes = await readFile(file.path).catch((cause) => {
    throw fail('FILE_UNREADABLE', `${file.path}: ${messageOf(cause)}`, { path: file.path }, cause);
  });
  return orDamaged(file.name, () => kind.decode(bytes, file.name));
}
