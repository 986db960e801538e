import { digits, dollars, joules, ms } from '../format.ts';
import { energyMethod } from '../server/energy-methods.ts';
import type { Answered } from '../server/infer.ts';

type Cost = Answered['cost'];

/** In the order in which they are shown; undefined where the server does not say. */
const ROWS: readonly (readonly [name: string, show: (cost: Cost) => string | false | undefined])[] = [
  ['Waited', ({ queueMs }) => queueMs !== undefined && ms(queueMs)],
  ['Computed', ({ computeMs }) => computeMs !== undefined && ms(computeMs)],
  ['CPU time', ({ cpuMs }) => cpuMs !== undefined && ms(cpuMs)],
  ['Batch', ({ batch }) => batch !== undefined && `${digits(batch)} ${batch === 1 ? 'sample' : 'samples'}`],
  ['Exit taken', ({ exit }) => exit !== undefined && `stage ${exit + 1}`],
  ['Energy', ({ joules: used }) => used !== undefined && joules(used)],
  ['Energy is', ({ joulesMethod: method }) => method !== undefined && energyMethod(method)],
  ['Money', ({ dollars: paid }) => paid !== undefined && `${dollars(paid * 1e6)} for a million like it`],
  ['Answered', ({ cached }) => cached && 'from the cache'],
  ['Answered', ({ retried }) => retried && 'at the second try: a worker had died'],
];

/** What an answer has cost, in words. */
export function costRows(cost: Cost): [name: string, value: string][] {
  return ROWS.flatMap(([name, show]): [string, string][] => {
    const value = show(cost);
    return value ? [[name, value]] : [];
  });
}
