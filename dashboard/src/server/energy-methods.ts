/** How joules are known, by the names that the server gives. */
const METHODS: Readonly<Record<string, string>> = {
  'rapl-share': 'measured (RAPL), shared out by CPU time',
  'watts-declared': 'estimated: CPU time times the watts that were declared',
  'watts-table': 'estimated: CPU time times watts from a table',
  unknown: 'not known',
};

export function energyMethod(name: string): string {
  return METHODS[name] ?? name;
}
