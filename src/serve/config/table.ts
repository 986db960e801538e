import { flagOf, SETTING_NAMES, SETTINGS, type SettingName, variableOf } from './settings.ts';

/** A value as one would write it on the command line: whole seconds, whole MiB. */
export function written(name: SettingName, value: unknown): string {
  if (Array.isArray(value)) return value.join(',');
  if (typeof value !== 'number') return String(value);
  if (/bytes$/i.test(name)) return `${value / 2 ** 20}MiB`;
  return SETTINGS[name].kind.placeholder === 'time' ? `${value / 1000}s` : String(value);
}

/** All settings as a table in Markdown, for docs/serve.md. */
export function settingsTable(): string {
  const rows = SETTING_NAMES.map((name) => {
    const { kind, help, fallback } = SETTINGS[name] as {
      kind: { takes: string };
      help: string;
      fallback?: unknown;
    };
    const said = fallback === undefined ? '' : written(name, fallback);
    const called = name === 'models' ? name : flagOf(name);
    return `| \`${called}\` | ${said === '' ? '' : `\`${said}\``} | ${kind.takes} | ${help} |`;
  });
  const example = `\`${flagOf('maxBatch')}\` is \`${variableOf('maxBatch')}\` as a variable and \`maxBatch\` in a file and in \`serve()\`; \`models\` is what stands on the line without an option.`;
  return [
    `${example}\n`,
    '| option | default | takes | |',
    '|---|---|---|---|',
    ...rows.map((row) => row.replaceAll(/(?<=\w)\|(?=\w)/g, '\\|')),
  ].join('\n');
}
