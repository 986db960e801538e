/** Options that take no value. */
const SWITCHES = ['--validate', '--quick', '--joint'];

/** The value of `--name VALUE` on the command line. */
export function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

/** Whether something of this name is asked for: by a word of the command line that is in it, or because there is no word. */
export function wanted(name: string): boolean {
  const isValue = (before: string | undefined) => before?.startsWith('--') && !SWITCHES.includes(before);
  const words = process.argv.slice(2).filter((arg, i, all) => !arg.startsWith('--') && !isValue(all[i - 1]));
  return words.length === 0 || words.some((word) => name.includes(word));
}
