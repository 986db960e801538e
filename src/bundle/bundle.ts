import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { DTYPES, type DType } from '../graph/index.ts';
import { LEVELS, PROVIDERS } from '../run/index.ts';

/** The version of the form of bundle.json that this code writes; docs/bundle.md describes it. */
export const BUNDLE_VERSION = 1;

/** A path inside of the bundle: relative, never climbing. */
const inside = z
  .string()
  .refine((path) => !isAbsolute(path) && !path.split(/[\\/]/).includes('..'), 'leaves the bundle');

const settings = z.object({
  batch: z.int().positive(),
  threads: z.int().positive(),
  instances: z.int().positive(),
  level: z.enum(LEVELS),
  provider: z.enum(PROVIDERS),
});

const port = z.object({
  name: z.string(),
  dtype: z.enum(Object.keys(DTYPES) as DType[]),
  shape: z.array(z.union([z.number(), z.string(), z.null()])).nullable(),
});

/** When samples leave at a stage (`ExitRule`); a threshold of null is one that nobody reaches. */
const exit = z.object({
  scores: z.string(),
  scale: z.enum(['logits', 'probabilities']),
  temperature: z.number().positive(),
  confidence: z.enum(['max-probability', 'margin', 'entropy']),
  threshold: z.number().nullable(),
});

const stage = z.object({
  id: z.string(),
  /** Id of its model among `models`. */
  model: z.string(),
  answers: z.record(z.string(), z.string()),
  carried: z.array(z.string()),
  exit: exit.optional(),
  macs: z.number(),
});

/** bundle.json. Unknown fields are kept out, so that a newer minor form still reads. */
export const bundleSchema = z.object({
  format: z.literal('modicum-bundle'),
  version: z.literal(BUNDLE_VERSION),
  modicum: z.string(),
  created: z.string(),
  name: z.string(),
  /** The model that is served; where there are stages, the same in one file. */
  chosen: z.string(),
  /** Every model of the bundle by id. */
  models: z.record(
    z.string(),
    z.object({
      file: inside,
      sha256: z.string(),
      bytes: z.number(),
      recipe: z.array(
        z.object({
          pass: z.string(),
          options: z.record(z.string(), z.unknown()).optional(),
          words: z.string(),
        }),
      ),
    }),
  ),
  /** Of a model in pieces: its stages in order. They answer what `chosen` answers, and are better for batches. */
  stages: z.array(stage).min(1).optional(),
  inputs: z.array(port),
  outputs: z.array(port),
  /** For throughput: the settings that the objective was met with. */
  settings,
  /** For a single call. */
  latencySettings: settings,
  goal: z.record(z.string(), z.unknown()),
  met: z.boolean(),
  records: inside,
  story: inside,
  report: inside,
});

export type Bundle = z.infer<typeof bundleSchema>;
