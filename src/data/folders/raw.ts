import { basename } from 'node:path';
import { fail } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import { wholeFile } from '../arrays/byte-file.ts';
import { column } from '../arrays/column.ts';
import { datasetOfColumns } from '../arrays/dataset-of-columns.ts';
import { swapBytes } from '../arrays/npy.ts';
import type { Dataset } from '../dataset.ts';
import type { FullOptions, RawOptions } from '../options.ts';
import { sampleBytes } from '../source.ts';
import { datasetOfFiles, type FileKind } from './dataset-of-files.ts';

/** Plain bytes of a declared dtype and shape: a folder of one sample per file, or a file of many samples. */
export async function openRaw(path: string, isFile: boolean, options: FullOptions): Promise<Dataset> {
  const { raw } = options;
  if (raw === undefined) {
    const hint = 'Declare {"raw": {"dtype": "int8", "dims": [49, 10]}} in a dataset.json beside it.';
    throw fail('USAGE_BAD_OPTION', `${path}: raw data needs its dtype and dims`, { path, hint });
  }
  if (!isFile) return datasetOfFiles(path, isFile, rawKind(raw), options);
  const file = await wholeFile(path, basename(path));
  const width = sampleBytes(raw);
  const size = (file.byteLength - raw.skip) / width;
  if (!Number.isInteger(size) || size < 0) {
    const why = `${file.name}: ${file.byteLength} bytes are no whole number of samples of ${width} bytes`;
    throw fail('DATA_DAMAGED', why, { name: file.name });
  }
  const layout = { name: options.field, dtype: raw.dtype, dims: [size, ...raw.dims], offset: raw.skip };
  const swap = raw.bigEndian ? itemSize(raw) : 0;
  return datasetOfColumns({ name: file.name, fields: [column(file, { ...layout, swap })] });
}

function rawKind(raw: RawOptions): FileKind {
  const width = sampleBytes(raw);
  return {
    extensions: [raw.extension.toLowerCase()],
    uneven: 'All samples have the declared dims.',
    decode(bytes, name) {
      if (bytes.byteLength !== raw.skip + width) {
        const why = `${name} has ${bytes.byteLength} bytes, ${raw.dtype}[${raw.dims}] takes ${raw.skip + width}`;
        throw fail('DATA_DAMAGED', why, { name });
      }
      const body = bytes.slice(raw.skip);
      return Tensor.ofBytes(raw.dtype, raw.dims, raw.bigEndian ? swapBytes(body, itemSize(raw)) : body);
    },
  };
}

function itemSize(raw: RawOptions): number {
  return sampleBytes({ dtype: raw.dtype, dims: [] });
}
