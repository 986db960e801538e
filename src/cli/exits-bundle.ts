import { basename } from 'node:path';
import { VERSION } from '../base/index.ts';
import { defaultRunSettings, portsOf, writeBundle } from '../bundle/index.ts';
import type { ExitsResult } from '../exits/index.ts';
import type { Model } from '../graph/index.ts';
import { availableCores } from '../run/index.ts';
import { exitsText } from './exits-text.ts';

/** Samples a call for which the stages are kept ready. */
const BATCH = 32;

/** Writes the bundle of a model with exits: its stages, the whole of it in one piece, the report as text and as numbers. */
export async function writeExits(folder: string, path: string, result: ExitsResult): Promise<void> {
  const { staged, report } = result;
  const settings = { ...defaultRunSettings(availableCores()), batch: BATCH };
  const { maxDrop, confidence, outcome } = report.certificate;
  await writeBundle(folder, {
    about: {
      modicum: VERSION,
      name: basename(path).replace(/\.onnx$/, ''),
      chosen: 'whole',
      inputs: portsOf(staged.inputs),
      outputs: portsOf(staged.outputs),
      settings,
      latencySettings: { ...settings, batch: 1 },
      goal: { metric: report.labelled ? 'accuracy' : 'agreement', maxDrop: 100 * maxDrop, confidence },
      met: outcome === 'certified',
    },
    models: [{ id: 'whole', model: endAlone(result), recipe: [] }],
    staged,
    records: [],
    story: report,
    report: page(basename(path), exitsText(report)),
  });
}

/** The model in one piece, nobody leaving: without the outputs of the heads. */
function endAlone({ model, staged }: ExitsResult): Model {
  const names = new Set(staged.outputs.map(({ name }) => name));
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
