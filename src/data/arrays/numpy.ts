import { basename } from 'node:path';
import { fail } from '../../base/index.ts';
import type { Dataset } from '../dataset.ts';
import { wholeFile } from './byte-file.ts';
import { type Column, npyColumn, wholeColumn } from './column.ts';
import { datasetOfColumns } from './dataset-of-columns.ts';
import { zipEntries } from './zip.ts';

export interface NumpyOptions {
  /** Name of the one array of a .npy file. Default 'input'. */
  readonly field?: string;
  /** Name of the array of labels in a .npz archive. Default 'labels', where there is one. */
  readonly labels?: string;
  readonly classes?: readonly string[];
}

/** A .npy file: one array, the first axis the samples. */
export async function openNpy(path: string, options: NumpyOptions = {}): Promise<Dataset> {
  const name = basename(path);
  const column = await npyColumn(await wholeFile(path, name), options.field ?? 'input');
  if (!('rows' in column)) throw fail('DATA_DTYPE_MISMATCH', `${name} holds text`, { name });
  return datasetOfColumns({ name, fields: [column] });
}

/**
 * A .npz archive: arrays named as the inputs of the model, the first axis the samples; an array without axes is the same
 * for every sample. `labels` are labels, `part` names the part that each sample belongs to. Streamed: stored archives
 * are read where the samples lie, deflated ones front to back.
 */
export async function openNpz(path: string, options: NumpyOptions = {}): Promise<Dataset> {
  const name = basename(path);
  const { labels: labelName = 'labels', classes } = options;
  const fields: Column[] = [];
  let labels: Column | readonly string[] | undefined;
  let parts: Record<string, Uint32Array> | undefined;
  for (const [entry, file] of await zipEntries(path, name)) {
    if (!entry.endsWith('.npy')) continue;
    const array = entry.slice(0, -4);
    const column = await npyColumn(file, array);
    if (array === labelName) labels = column;
    else if (array === 'part') parts = await partsOf(column);
    else if ('rows' in column) fields.push(column);
    else throw fail('DATA_DTYPE_MISMATCH', `${array} in ${name} holds text`, { name });
  }
  if (options.labels !== undefined && labels === undefined) {
    throw fail('DATA_NO_LABELS', `${name} has no array named ${options.labels}`, { name });
  }
  return datasetOfColumns({ name, fields, labels, classes, parts });
}

async function partsOf(column: Column | readonly string[]): Promise<Record<string, Uint32Array>> {
  const names = 'rows' in column ? (await wholeColumn(column)).numbers().map(String) : column;
  return partsNamed(names);
}

/** Sample numbers by the part that each sample names. */
export function partsNamed(names: readonly string[]): Record<string, Uint32Array> {
  const members = new Map<string, number[]>();
  for (const [index, part] of names.entries()) {
    const list = members.get(part);
    if (list) list.push(index);
    else members.set(part, [index]);
  }
  return Object.fromEntries([...members].map(([part, indices]) => [part, Uint32Array.from(indices)]));
}
