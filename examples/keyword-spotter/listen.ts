import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { ClipMaker } from './clip.ts';
import { ownTongue, RATE } from './tongue.ts';
import { wavBytes } from './wav.ts';
import { CLASSES, SIDES, type SideName } from './words.ts';

const NAMES = Object.keys(SIDES).join(', ');
const HELP = `Writes clips of the keyword spotter to listen to, one folder a class.

  node build/examples/keyword-spotter/listen.js FOLDER [--side evaluate] [--samples 48] [--first 0] [--seed 1]

--side is one of ${NAMES}. Clip i of a side depends on the seed and i alone; the test set is side evaluate, seed 1.
`;

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      side: { type: 'string', default: 'evaluate' },
      samples: { type: 'string', default: '48' },
      first: { type: 'string', default: '0' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
  });
  const [folder] = positionals;
  const [samples, first, seed] = [values.samples, values.first, values.seed].map(Number) as [
    number,
    number,
    number,
  ];
  const sound = [samples, first, seed].every((one) => Number.isSafeInteger(one) && one >= 0);
  if (values.help || folder === undefined || !sound || !Object.hasOwn(SIDES, values.side)) {
    (values.help ? process.stdout : process.stderr).write(HELP);
    return values.help ? 0 : 2;
  }
  const maker = new ClipMaker(values.side as SideName, seed, ownTongue());
  for (let i = first; i < first + samples; i++) {
    const clip = maker.make(i);
    const name = `${values.side}-${seed}-${String(i).padStart(5, '0')}.wav`;
    const file = join(folder, CLASSES[clip.label]!, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, wavBytes(clip.samples, RATE));
  }
  return 0;
}

process.exitCode = main();
