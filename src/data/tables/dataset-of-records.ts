import { fail, throwIfAborted } from '../../base/index.ts';
import type { DType } from '../../graph/index.ts';
import type { Dataset, Field } from '../dataset.ts';
import { type LabelCode, LabelScan, withClasses } from '../labels.ts';
import type { FullOptions } from '../options.ts';
import { datasetOf, type Sample, type Wanted } from '../source.ts';
import { shapeOf, tensorOf } from './values.ts';

/** A record of a table: columns (or keys) to values. */
export type TableRecord = Readonly<Record<string, unknown>>;

export interface Located {
  readonly index: number;
  /** For people: the file and the line. */
  readonly where: string;
  /** Parses, where that was put off. Throws DATA_DAMAGED. */
  record(): TableRecord;
}

/** A file of records. */
export interface Records {
  readonly name: string;
  /** Where it is known without reading. */
  readonly size?: number;
  /** True where columns are features of one field, unless told or lists; false where each is a field of its own. */
  readonly together: boolean;
  /** Front to back; may leave out what `skip` allows. Only these columns are needed; all where undefined. */
  walk(request: WalkRequest): AsyncIterable<Located>;
}

export interface WalkRequest {
  readonly columns?: readonly string[];
  /** True where no record from `start` to before `end` is needed. */
  skip?(start: number, end: number): boolean;
  readonly signal?: AbortSignal;
}

interface FieldPlan extends Field {
  readonly columns: readonly string[];
  /** True where the value of the one column is the sample. */
  readonly single: boolean;
}

/** A dataset of a file of records; reads it once to count the samples and to see the labels. */
export async function datasetOfRecords(records: Records, options: FullOptions): Promise<Dataset> {
  const { name } = records;
  const first = await firstOf(records);
  if (first === undefined) throw fail('DATA_EMPTY', `${name} has no records`, { name });
  const labelColumn = labelColumnOf(first, options, name);
  const plans = plansOf(records, first, labelColumn, options);
  const { size, code } = await scan(records, labelColumn, options);
  return datasetOf({
    name,
    size,
    fields: plans.map(({ name, dtype, dims }) => ({ name, dtype, dims })),
    labels: code && { dtype: code.dtype, dims: [], classes: code.classes },
    samples: (wanted) => encode(records, plans, labelColumn, code, wanted),
  });
}

async function firstOf(records: Records): Promise<TableRecord | undefined> {
  const skip = (start: number) => start > 0;
  for await (const located of records.walk({ skip })) return located.record();
  return undefined;
}

function labelColumnOf(first: TableRecord, { labels }: FullOptions, name: string): string | undefined {
  if (labels.none) return undefined;
  if (labels.column === undefined) return ['label', 'labels'].find((column) => column in first);
  if (labels.column in first) return labels.column;
  const why = `${name} has no ${labels.column}; it has ${Object.keys(first).join(', ')}`;
  throw fail('DATA_NO_LABELS', why, { name, hint: 'Name the column of labels as labels.column.' });
}

function plansOf(
  records: Records,
  first: TableRecord,
  label: string | undefined,
  options: FullOptions,
): FieldPlan[] {
  const given = options.columns;
  if (Array.isArray(given)) return [planOf(options.field, given, first, options, records.name)];
  if (given !== undefined) {
    return Object.entries(given).map(([field, columns]) =>
      planOf(field, columns, first, options, records.name),
    );
  }
  const columns = Object.keys(first).filter((column) => column !== label);
  if (columns.length === 0) throw fail('DATA_EMPTY', `${records.name} has no columns but labels`);
  const scalars = columns.every((column) => shapeOf(first[column]).length === 0);
  if (records.together && scalars) return [planOf(options.field, columns, first, options, records.name)];
  return columns.map((column) => planOf(column, [column], first, options, records.name));
}

function planOf(
  name: string,
  columns: readonly string[],
  first: TableRecord,
  { preprocess, columns: given, field }: FullOptions,
  file: string,
): FieldPlan {
  const missing = columns.filter((column) => !(column in first));
  if (missing.length > 0) {
    const why = `${file} has no ${missing.join(', ')}; it has ${Object.keys(first).join(', ')}`;
    throw fail('DATA_NAMES_MISMATCH', why, { missing });
  }
  const [only] = columns;
  const single =
    columns.length === 1 && (shapeOf(first[only!]).length > 0 || (given === undefined && name !== field));
  const value = single ? first[only!] : columns.map((column) => first[column]);
  const { cast } = preprocess;
  const told = typeof cast === 'string' ? cast : cast?.[name];
  const dtype: DType = told ?? (leaf(value) === 'bigint' ? 'int64' : 'float32');
  return { name, columns, single, dtype, dims: shapeOf(value) };
}

function leaf(value: unknown): string {
  let at = value;
  while (typeof at === 'object' && at !== null) at = (at as ArrayLike<unknown>)[0];
  return typeof at;
}

async function scan(
  records: Records,
  label: string | undefined,
  { labels }: FullOptions,
): Promise<{ size: number; code?: LabelCode }> {
  if (label === undefined && records.size !== undefined) return { size: records.size };
  const seen = new LabelScan();
  let size = 0;
  for await (const located of records.walk({ columns: label === undefined ? undefined : [label] })) {
    const record = located.record();
    if (label !== undefined) seen.see(record[label], located.where);
    size++;
  }
  if (label === undefined) return { size };
  return { size, code: withClasses(seen.finish(), labels.classes) };
}

async function* encode(
  records: Records,
  plans: readonly FieldPlan[],
  label: string | undefined,
  code: LabelCode | undefined,
  { indices, fields, signal }: Wanted,
): AsyncGenerator<Sample> {
  const wanted = indices[Symbol.iterator]();
  let next = wanted.next();
  const chosen = fields.map((position) => plans[position]!);
  const columns = [
    ...new Set(chosen.flatMap((plan) => plan.columns)),
    ...(label === undefined ? [] : [label]),
  ];
  const skip = (start: number, end: number) => next.done === true || next.value >= end || next.value < start;
  for await (const located of records.walk({ columns, skip, signal })) {
    if (next.done) return;
    if (located.index !== next.value) continue;
    throwIfAborted(signal);
    const record = located.record();
    const values = chosen.map((plan) => {
      const value = plan.single ? record[plan.columns[0]!] : plan.columns.map((column) => record[column]);
      return tensorOf(value, plan.dtype, plan.dims, `${located.where}, ${plan.name}`).bytes();
    });
    yield {
      index: located.index,
      values,
      label: label === undefined ? undefined : code?.encode(record[label]),
    };
    next = wanted.next();
  }
}
