import { digits, dollars, joules, ms } from '../format.ts';
import { energyMethod } from '../server/energy-methods.ts';

interface Row {
  readonly header: string;
  readonly name: string;
  readonly show: (value: string) => string;
}

const number = (show: (value: number) => string) => (text: string) =>
  Number.isFinite(Number(text)) ? show(Number(text)) : text;

/** The headers x-modicum-* that are known, in the order in which they are shown. */
const ROWS: readonly Row[] = [
  { header: 'queue-ms', name: 'Waited', show: number(ms) },
  { header: 'compute-ms', name: 'Computed', show: number(ms) },
  { header: 'cpu-ms', name: 'CPU time', show: number(ms) },
  { header: 'cpu-seconds', name: 'CPU time', show: number((value) => ms(value * 1000)) },
  {
    header: 'batch',
    name: 'Batch',
    show: number((value) => `${digits(value)} ${value === 1 ? 'sample' : 'samples'}`),
  },
  { header: 'exit', name: 'Exit taken', show: number((value) => `stage ${value + 1}`) },
  { header: 'joules', name: 'Energy', show: number(joules) },
  { header: 'joules-method', name: 'Energy is', show: energyMethod },
  { header: 'energy-method', name: 'Energy is', show: energyMethod },
  {
    header: 'dollars',
    name: 'Money',
    show: number((value) => `${dollars(value * 1e6)} for a million like it`),
  },
  { header: 'cached', name: 'Answered', show: () => 'from the cache' },
  { header: 'retried', name: 'Answered', show: () => 'at the second try: a worker had died' },
  { header: 'version', name: 'Version', show: (text) => text },
];

/** What an answer has cost in words; headers that are not known here stand as they are. */
export function costOf(headers: ReadonlyMap<string, string>): [name: string, value: string][] {
  const known = ROWS.flatMap(({ header, name, show }): [string, string][] => {
    const value = headers.get(header);
    return value === undefined ? [] : [[name, show(value)]];
  });
  const named = new Set(ROWS.map(({ header }) => header));
  return [...known, ...[...headers].filter(([name]) => !named.has(name))];
}
