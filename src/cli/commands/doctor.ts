import pc from 'picocolors';
import { findPowercap, machineLimits, wattsPerCore } from '../../measure/index.ts';
import { digits, quantity, textTable } from '../../report/index.ts';
import { describeMachine, probeProviders } from '../../run/index.ts';
import type { Command } from '../command.ts';

export const doctorCommand: Command = {
  name: 'doctor',
  summary:
    'what this machine offers: cores, instruction sets, execution providers that really start, energy counters',
  configure(command) {
    command
      .option(
        '--limits',
        'also measure peak arithmetic and memory bandwidth (some seconds; kept for next time)',
      )
      .addHelpText('after', '\nExamples:\n  modicum doctor\n  modicum doctor --limits --json machine.json');
  },
  async run(_args, options, { print, progress, signal }) {
    const machine = describeMachine();
    const facts: [string, string][] = [
      ['machine', `${machine.id}: ${machine.cpu}, ${machine.os} ${machine.arch}`],
      [
        'cores',
        `${machine.availableCores} to use of ${machine.logicalCores} logical${machine.physicalCores === undefined ? '' : ` (${machine.physicalCores} physical)`}${machine.cpuQuota === undefined ? '' : `, quota ${machine.cpuQuota}`}`,
      ],
      ['memory', `${quantity(machine.memoryBytes, 'B')}, ${quantity(machine.freeMemoryBytes, 'B')} free`],
      ['instruction sets', machine.features.join(' ') || 'not known'],
      [
        'load',
        `${digits(machine.loadAverage)} runnable over the last minute${machine.loadAverage > 0.5 ? ' (figures will be noisy)' : ''}`,
      ],
      [
        'versions',
        `node ${machine.versions.node}, onnxruntime ${machine.versions.onnxruntime}, modicum ${machine.versions.modicum}`,
      ],
    ];
    const int8 = machine.features.some((feature) => /vnni|amx_int8|dotprod|i8mm/.test(feature));
    if (machine.arch === 'x64') {
      facts.push([
        'int8',
        int8
          ? 'dot products in hardware'
          : 'no VNNI: 8-bit weights may saturate; 7-bit weights are tried as well',
      ]);
    }
    const counters = await findPowercap();
    const watts = wattsPerCore(machine.cpu);
    facts.push(['energy', energyText(counters, watts)]);
    print(facts.map(([name, value]) => `${pc.bold(name.padEnd(17))}${value}`).join('\n'));
    const stage = progress.stage('starting execution providers', 0);
    const providers = await probeProviders();
    stage.end();
    print('');
    const rows = providers.map(({ provider, available, float16, reason, milliseconds }) => [
      provider,
      available ? pc.green('starts') : pc.dim('no'),
      available
        ? `ran a model in ${digits(milliseconds)} ms${float16 === false ? '; none in float16' : ''}`
        : (reason ?? ''),
    ]);
    print(textTable(['execution provider', '', ''], rows, ['left', 'left', 'left']));
    const limits = options.limits === true ? await machineLimits({ progress, signal }) : undefined;
    if (limits !== undefined) {
      print('');
      const rows = limits.records.map(({ what, value, unit, settings }) => [
        what.replace('limit.', ''),
        String(settings?.threads ?? ''),
        `${digits(value / 1e9)} G${unit}`,
      ]);
      print(textTable(['limit of this machine', 'threads', 'measured'], rows));
    }
    return { json: { machine, energy: { counters, wattsPerCore: watts }, providers, limits } };
  },
};

function energyText(
  counters: Awaited<ReturnType<typeof findPowercap>>,
  watts: ReturnType<typeof wattsPerCore>,
): string {
  if (counters.zones.length > 0) return `counters: ${counters.zones.map(({ name }) => name).join(', ')}`;
  const estimate =
    watts === undefined
      ? 'CPU-seconds only; give --watts-per-core for joules'
      : `estimated at ${digits(watts.watts)} W per busy core (${digits(watts.low)} to ${digits(watts.high)})`;
  return `no counter: ${counters.why ?? 'none found'}; ${estimate}`;
}
