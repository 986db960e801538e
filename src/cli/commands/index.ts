import type { Command } from '../command.ts';
import { benchCommand } from './bench.ts';
import { convertCommand } from './convert.ts';
import { distillCommand } from './distill.ts';
import { doctorCommand } from './doctor.ts';
import { evalCommand } from './eval.ts';
import { exitsCommand } from './exits.ts';
import { generateCommand } from './generate.ts';
import { mixCommand } from './mix.ts';
import { optimizeCommand } from './optimize.ts';
import { profileCommand } from './profile.ts';
import { pruneCommand } from './prune.ts';
import { quantizeCommand } from './quantize.ts';
import { serveCommand } from './serve.ts';
import { trainCommand } from './train.ts';

/** Every command, in the order of --help: adding one is a file and a line here. */
export const COMMANDS = {
  doctor: doctorCommand,
  profile: profileCommand,
  eval: evalCommand,
  optimize: optimizeCommand,
  quantize: quantizeCommand,
  mix: mixCommand,
  prune: pruneCommand,
  train: trainCommand,
  distill: distillCommand,
  exits: exitsCommand,
  convert: convertCommand,
  generate: generateCommand,
  bench: benchCommand,
  serve: serveCommand,
} as const satisfies Record<string, Command>;
