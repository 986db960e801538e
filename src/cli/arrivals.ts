import { fail } from '../base/index.ts';
import { ARRIVALS, type ArrivalSpec, readTrace } from '../load/index.ts';
import { numberOf, secondsOf } from './options.ts';

/** What may stand behind the colon. */
const SETTINGS: Readonly<Record<string, readonly string[]>> = {
  poisson: [],
  uniform: [],
  bursty: ['burst', 'on', 'off'],
  diurnal: ['day', 'swing'],
};

/**
 * What --arrivals says: a name, with its settings or its file behind a colon. Undefined for plain Poisson arrivals, so that scenarios
 * without arrivals can tell that none were asked for. Throws USAGE_BAD_OPTION, and what reading a trace throws.
 */
export async function arrivalsOption(
  text: string,
  rate: number | undefined,
): Promise<ArrivalSpec | undefined> {
  const [kind = '', rest = ''] = split(text, ':');
  if (kind === 'trace') {
    if (rest === '') throw fail('USAGE_BAD_OPTION', '--arrivals trace: names no file; write trace:FILE');
    return { kind, ...(await readTrace(rest)) };
  }
  const known = SETTINGS[kind];
  if (known === undefined) {
    throw fail('USAGE_BAD_OPTION', `--arrivals is "${text}"; there are ${ARRIVALS.join(', ')}`);
  }
  const given = Object.fromEntries(
    rest === ''
      ? []
      : rest.split(',').map((part) => {
          const [name = '', value = ''] = split(part, '=');
          if (known.includes(name) && value !== '') return [name, value];
          const takes = known.length === 0 ? 'nothing' : known.map((one) => `${one}=...`).join(', ');
          throw fail('USAGE_BAD_OPTION', `--arrivals ${kind} takes ${takes}, not "${part}"`);
        }),
  );
  const seconds = (name: string, otherwise: string) => secondsOf('arrivals', given[name] ?? otherwise);
  switch (kind) {
    case 'bursty':
      return {
        kind,
        rate: rate ?? 1,
        burst:
          given.burst === 'inf' ? Number.POSITIVE_INFINITY : numberOf('arrivals', given.burst ?? 5, 1, 1e6),
        onSeconds: seconds('on', '1s'),
        offSeconds: seconds('off', '4s'),
      };
    case 'diurnal':
      return {
        kind,
        rate: rate ?? 1,
        daySeconds: seconds('day', '60s'),
        swing: numberOf('arrivals', given.swing ?? 0.8, 0, 1),
      };
    case 'uniform':
      return { kind, rate: rate ?? 1 };
    default:
      return undefined;
  }
}

function split(text: string, at: string): [string, string] {
  const place = text.indexOf(at);
  return place < 0 ? [text, ''] : [text.slice(0, place), text.slice(place + at.length)];
}
