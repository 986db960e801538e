import { z } from 'zod';
import { fail } from '../base/index.ts';
import type { DType } from '../graph/index.ts';

const positive = z.number().int().positive();
const dtype = z.enum([
  'float32',
  'float64',
  'float16',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
]) satisfies z.ZodType<DType>;
const dims = z.array(positive);
const axes = z.array(z.number().int().nonnegative());
const perChannel = z.union([z.number(), z.array(z.number()).min(1)]);

/** How decoded pictures become samples. A value is (pixel * scale - mean) / std, with pixels in 0..255. */
export const imageOptions = z.strictObject({
  /** Size of the sample; where it is not told, all pictures must have one size. */
  width: positive.optional(),
  height: positive.optional(),
  /** 'stretch': the picture is pressed into the size. 'crop': scaled by its shorter side, then the centre is cut out. */
  fit: z.enum(['stretch', 'crop']).default('stretch'),
  /** With 'crop': the shorter side after scaling (256 for a crop of 224, say). Default: just large enough. */
  shorter: positive.optional(),
  filter: z.enum(['bilinear', 'nearest']).default('bilinear'),
  /** Widens the bilinear filter when shrinking, as Pillow does; OpenCV does not. */
  antialias: z.boolean().default(true),
  channels: z.union([z.literal(1), z.literal(3)]).default(3),
  order: z.enum(['rgb', 'bgr']).default('rgb'),
  layout: z.enum(['nchw', 'nhwc']).default('nchw'),
  scale: z.number().default(1),
  mean: perChannel.default(0),
  std: perChannel.default(1),
});
export type ImageOptions = z.output<typeof imageOptions>;

/** How recordings become samples. Lengths are in samples at `rate`. */
export const audioOptions = z.strictObject({
  /** Recordings are resampled to it. */
  rate: z.number().positive().default(16000),
  /** Recordings are cut or padded with zeros to it. Without it, all must be of one length. */
  length: positive.optional(),
  /** Where a recording of another length lies. */
  align: z.enum(['start', 'center', 'end']).default('start'),
  frontEnd: z.enum(['raw', 'log-mel', 'mfcc']).default('raw'),
  /** 'tensorflow': tf.signal. 'kaldi': Kaldi and HTK. docs/data.md has the formulas. */
  convention: z.enum(['tensorflow', 'kaldi']).default('tensorflow'),
  window: z.number().int().min(2).default(480),
  hop: positive.default(320),
  /** Default: the power of two at or above the window. */
  fft: positive.optional(),
  mels: positive.default(40),
  /** MFCCs kept. */
  coefficients: positive.default(10),
  /** Edges of the mel filters, Hz. */
  low: z.number().nonnegative().default(20),
  high: z.number().positive().default(4000),
  /** Raw samples are in -1..1; they are multiplied by this first (32768: the range of int16). Kaldi does that anyway. */
  gain: z.number().default(1),
});
export type AudioOptions = z.output<typeof audioOptions>;

export const DATA_KINDS = [
  'npz',
  'npy',
  'images',
  'audio',
  'raw',
  'jsonl',
  'csv',
  'parquet',
  'idx',
  'module',
] as const;
export type DataKind = (typeof DATA_KINDS)[number];

const columnName = z.union([z.string(), z.number().int().nonnegative()]);

const labelOptions = z.strictObject({
  /** npz: the array of labels. Default 'labels'. */
  array: z.string().optional(),
  /** jsonl, csv, parquet: the key or column. Default: 'label' or 'labels', where there is one. */
  column: z.string().optional(),
  /** Folders: a CSV file of file names and labels, relative to the data. idx: the file of labels. */
  file: z.string().optional(),
  /** With a CSV file: the columns of the file name and of the label, by name or number. Default 0 and 1. */
  name: columnName.optional(),
  value: columnName.optional(),
  /** With a CSV file: whether its first line names the columns. Default: true where `name` or `value` are names. */
  header: z.boolean().optional(),
  /** Folders: a regular expression on the file name, whose first group is the label. */
  pattern: z.string().optional(),
  /** Names of the classes in the order of their numbers. Default: sorted. */
  classes: z.array(z.string()).optional(),
  /** No labels, whatever there is. */
  none: z.boolean().optional(),
});
export type LabelOptions = z.output<typeof labelOptions>;

const rawOptions = z.strictObject({
  dtype,
  /** Of one sample. */
  dims,
  /** Of the files of a folder. */
  extension: z.string().default('.bin'),
  /** Bytes before the first sample of a file. */
  skip: z.number().int().nonnegative().default(0),
  bigEndian: z.boolean().default(false),
});
export type RawOptions = z.output<typeof rawOptions>;

const preprocess = z.strictObject({
  image: imageOptions.prefault({}),
  audio: audioOptions.prefault({}),
  /** float32 (x - zeroPoint) * scale; of these fields, or of all. */
  dequantize: z
    .strictObject({
      scale: z.number(),
      zeroPoint: z.number().default(0),
      fields: z.array(z.string()).optional(),
    })
    .optional(),
  /** The dtype of all fields, or by field. Checked: a value that does not fit is an error. */
  cast: z.union([dtype, z.record(z.string(), dtype)]).optional(),
  /** The shape of one sample of all fields, or by field: the same elements in the same order. */
  dims: z.union([dims, z.record(z.string(), dims)]).optional(),
  /** After `dims`: the order of the axes of one sample, of all fields or by field ([1, 0] swaps two). */
  transpose: z.union([axes, z.record(z.string(), axes)]).optional(),
});
export type Preprocess = z.output<typeof preprocess>;

/** What can be told of data: by --data-options, in code, or in a dataset.json beside the data. */
export const dataOptions = z.strictObject({
  /** dataset.json only: the data, relative to it. Default: the folder it lies in. */
  path: z.string().optional(),
  kind: z.enum(DATA_KINDS).optional(),
  /** Name of the field, where the data has one without a name. Default 'input'. */
  field: z.string().default('input'),
  /** Only this part, of those that the data declares. */
  part: z.string().optional(),
  /** csv, parquet: the columns of the one field, or of each field. Default: all but the label. */
  columns: z.union([z.array(z.string()).min(1), z.record(z.string(), z.array(z.string()).min(1))]).optional(),
  /** csv: whether the first line names the columns. */
  header: z.boolean().default(true),
  /** csv: default ',' (tab for .tsv). */
  delimiter: z.string().min(1).optional(),
  raw: rawOptions.optional(),
  labels: labelOptions.prefault({}),
  preprocess: preprocess.prefault({}),
});

/** Options as a person gives them: everything may be left out. */
export type DataOptions = z.input<typeof dataOptions>;
/** Options with their defaults. */
export type FullOptions = z.output<typeof dataOptions>;

/** Checks options and fills in the defaults. Throws USAGE_BAD_OPTION naming each fault. */
export function checkOptions(options: unknown, where: string): FullOptions {
  const result = dataOptions.safeParse(options);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.join('.') || 'options'}: ${message}`);
  throw fail('USAGE_BAD_OPTION', `${where}: ${faults.join('; ')}`, { hint: 'See docs/data.md.' });
}
