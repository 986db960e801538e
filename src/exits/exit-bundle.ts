import { VERSION } from '../base/index.ts';
import { type Bundle, defaultRunSettings, portsOf, type RunSettings, writeBundle } from '../bundle/index.ts';
import type { Model } from '../graph/index.ts';
import { availableCores } from '../run/index.ts';
import type { StagedModel } from '../staged/index.ts';
import { nestedIf } from './nested-if.ts';

/** What goes into the bundle of a model with exits. */
export interface ExitBundleParts {
  /** Of the model. */
  readonly name: string;
  readonly staged: StagedModel;
  /** The model that it was made of, for going back. */
  readonly whole: Model;
  readonly goal: Readonly<Record<string, unknown>>;
  readonly met: boolean;
  /** For batches, that is for the stages. Default: all cores, 32 samples a call. */
  readonly settings?: RunSettings;
  /** Measurements (`measureExits`, for one). */
  readonly records: unknown;
  /** All that the report says, as plain data. */
  readonly story: unknown;
  /** HTML. */
  readonly report: string;
  /** Where it is at hand already: `staged` in one file. */
  readonly oneFile?: Model;
}

/** Samples a call for which the stages are kept ready. */
const BATCH = 32;

/**
 * Writes the bundle of a model with exits: its stages, the same in one file with nested conditions (`one-file`, what is served to a
 * reader that knows no stages), and the model as given. Throws FILE_NOT_WRITTEN, and what `nestedIf` throws.
 */
export async function writeExitBundle(folder: string, parts: ExitBundleParts): Promise<Bundle> {
  const { staged, whole } = parts;
  const settings = parts.settings ?? { ...defaultRunSettings(availableCores()), batch: BATCH };
  const single = parts.oneFile ?? (await nestedIf(staged));
  return writeBundle(folder, {
    about: {
      modicum: VERSION,
      name: parts.name,
      chosen: 'one-file',
      inputs: portsOf(staged.inputs),
      outputs: portsOf(staged.outputs),
      settings,
      latencySettings: { ...settings, batch: 1, instances: 1 },
      goal: parts.goal,
      met: parts.met,
    },
    models: [
      {
        id: 'one-file',
        model: single,
        recipe: [{ pass: 'exits', words: `early exits: ${staged.stages.length} stages, nested conditions` }],
      },
      { id: 'as-given', model: whole, recipe: [] },
    ],
    staged,
    records: parts.records,
    story: parts.story,
    report: parts.report,
  });
}
