import { basename } from 'node:path';
import type { Bundle } from '../bundle/index.ts';
import type { Dataset } from '../data/index.ts';
import {
  type ExitReport,
  type ExitsResult,
  type MeasuredExits,
  measureExits,
  nestedIf,
  writeExitBundle,
} from '../exits/index.ts';
import type { Model } from '../graph/index.ts';
import type { StagedModel } from '../staged/index.ts';
import { exitsText } from './exits-text.ts';

/** What early exits or a cascade came to, as far as it is measured and shipped. */
export interface Shipped {
  readonly staged: StagedModel;
  readonly whole: Model;
  readonly report: ExitReport;
  readonly oneFile: Model;
  readonly measured?: MeasuredExits;
}

interface Made {
  readonly staged: StagedModel;
  readonly whole: Model;
  readonly report: ExitReport;
  readonly parts: { readonly test: Dataset };
  /** The whole with its heads, in 8 bits if asked for; a cascade has none. */
  readonly model?: Model;
}

/** Puts the stages into one file, and races all forms on the test part unless told not to. */
export async function finished(
  made: Made,
  race: boolean,
  context: Pick<Parameters<typeof measureExits>[2], 'settings' | 'seed' | 'progress' | 'signal'>,
): Promise<Shipped> {
  const { staged, whole, report } = made;
  const oneFile = await nestedIf(staged);
  if (!race || staged.stages.length < 2) return { staged, whole, report, oneFile };
  const { test } = made.parts;
  const { settings, seed, progress, signal } = context;
  const int8 = report.int8 && made.model !== undefined;
  const beside = int8 ? [{ name: 'whole in 8 bits', model: endAlone(made.model!, staged) }] : [];
  const batches = test.size >= 32 ? [1, 32] : [1];
  const measured = await measureExits(staged, whole, {
    data: test,
    oneFile,
    beside,
    batches,
    seconds: 2,
    settings,
    seed,
    progress,
    signal,
  });
  return { staged, whole, report, oneFile, measured };
}

/** Writes the bundle: stages, one file, the model as given, the report as text and as numbers. */
export function writeExits(folder: string, path: string, made: Shipped): Promise<Bundle> {
  const { staged, whole, report, oneFile, measured } = made;
  const { maxDrop, confidence, outcome } = report.certificate;
  return writeExitBundle(folder, {
    name: basename(path).replace(/\.onnx$/, ''),
    staged,
    whole,
    oneFile,
    goal: { metric: report.labelled ? 'accuracy' : 'agreement', maxDrop: 100 * maxDrop, confidence },
    met: outcome === 'certified',
    records: measured?.records ?? [],
    story: report,
    report: page(basename(path), exitsText(report, measured)),
  });
}

/** The model in one piece, nobody leaving: without the outputs of the heads. */
function endAlone(model: ExitsResult['model'], { outputs }: StagedModel): Model {
  const names = new Set(outputs.map(({ name }) => name));
  return {
    ...model,
    graph: { ...model.graph, outputs: model.graph.outputs.filter(({ name }) => names.has(name)) },
  };
}

function page(title: string, text: string): string {
  const escaped = (raw: string) => raw.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}: early exits</title></head>
<body><h1>Early exits of ${escaped(title)}</h1><pre>${escaped(text)}</pre></body></html>
`;
}
