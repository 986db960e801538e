import { Command as Commander, CommanderError } from 'commander';
import pc from 'picocolors';
import { fail, ModicumError, messageOf, VERSION } from '../base/index.ts';
import { assertPlace, writeFileAtomically } from '../files/index.ts';
import type { Command, Outcome } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { terminalProgress } from './progress.ts';

/**
 * Runs one command line and answers its exit code: 0 done, 1 the goal was not met, 2 usage, input or environment,
 * 130 stopped by Ctrl-C. Never throws, never prints a stack (unless MODICUM_DEBUG is set).
 */
export async function runCli(argv: readonly string[]): Promise<number> {
  let exit = 0;
  const program = new Commander('modicum')
    .description(
      'Just enough inference-time compute: the cheapest version of an ONNX model that still does its job.',
    )
    .version(VERSION)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .configureHelp({ sortSubcommands: false });
  for (const command of Object.values(COMMANDS) as readonly Command[]) {
    const sub = program.command(command.name).description(command.summary).exitOverride();
    command.configure(sub);
    sub.option(
      '--json <file>',
      'also write the result as JSON ("-": to standard output, instead of the text)',
    );
    sub.option('--quiet', 'no progress');
    sub.action(async () => {
      exit = await runCommand(
        command,
        sub.processedArgs.flat().filter((arg) => arg !== undefined),
        sub.opts(),
      );
    });
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) return report(thrown);
    if (thrown.exitCode === 0) return 0;
    // Without any command the help is already printed.
    return thrown.code === 'commander.help' ? 2 : report(misused(thrown, program, argv[0]));
  }
  return exit;
}

/** What the parser of the command line refuses, as an error of ours. */
function misused(thrown: CommanderError, program: Commander, first: string | undefined): ModicumError {
  const why = messageOf(thrown).replace(/^error: /, '');
  const known = program.commands.some((command) => command.name() === first);
  const hint = `See modicum ${known ? `${first} ` : ''}--help.`;
  return fail('USAGE_BAD_OPTION', why, { hint }, thrown);
}

async function runCommand(
  command: Command,
  args: readonly string[],
  options: Record<string, unknown>,
): Promise<number> {
  const json = options.json as string | undefined;
  const stop = new AbortController();
  const progress = terminalProgress(process.stderr, options.quiet === true);
  const onInterrupt = () => {
    if (stop.signal.aborted) process.exit(130);
    progress.stop();
    process.stderr.write(
      `\n${command.stopping ?? 'Stopping; nothing half-written is left behind.'} (Ctrl-C again: at once.)\n`,
    );
    stop.abort(fail('CANCELLED', command.name));
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onInterrupt);
  try {
    if (json !== undefined && json !== '-') await assertPlace(json);
    const outcome: Outcome = await command.run(args, options, {
      print: (text) => {
        if (json !== '-') process.stdout.write(`${text}\n`);
      },
      note: (text) => process.stderr.write(`${text}\n`),
      progress,
      signal: stop.signal,
    });
    progress.stop();
    if (json !== undefined) await writeJson(json, outcome.json);
    return outcome.exit ?? 0;
  } catch (thrown) {
    progress.stop();
    const code = report(thrown);
    if (json !== undefined) await writeJson(json, { error: describe(thrown) }).catch(() => {});
    return stop.signal.aborted ? 130 : code;
  } finally {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
  }
}

async function writeJson(file: string, value: unknown): Promise<void> {
  const text = `${JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? Number(inner) : inner), 2)}\n`;
  if (file === '-') process.stdout.write(text);
  else await writeFileAtomically(file, text);
}

function describe(thrown: unknown) {
  const error = known(thrown);
  return { code: error.code, message: error.message, hint: error.hint, data: error.data };
}

function known(thrown: unknown): ModicumError {
  if (thrown instanceof ModicumError) return thrown;
  return fail('INTERNAL', messageOf(thrown), {}, thrown);
}

/** Prints what, why and what to do; answers the exit code. */
function report(thrown: unknown): number {
  const error = known(thrown);
  process.stderr.write(
    `${pc.red('error')} ${error.code}: ${error.message}\n  ${pc.cyan('what to do')}: ${error.hint}\n`,
  );
  if (process.env.MODICUM_DEBUG) process.stderr.write(`${String((thrown as Error)?.stack)}\n`);
  return error.exitCode;
}
