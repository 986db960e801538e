import type { ExitReport, MeasuredExits, Share } from '../exits/index.ts';
import type { Measurement } from '../measure/index.ts';
import { digits, quantity, textTable } from '../report/index.ts';

const percent = (value: number, digits = 1) => `${(100 * value).toFixed(digits)} %`;
const points = (value: number) => (100 * value).toFixed(2);

/** The report of early exits for a terminal: why here, who leaves where, what is promised, what the test part shows. */
export function exitsText(report: ExitReport, measured?: MeasuredExits): string {
  const places = report.places.length > 0 ? [placesText(report)] : [];
  const speed = measured === undefined ? [] : [speedText(measured)];
  return [...places, exitsTable(report), promise(report), outcome(report), ...speed].join('\n\n');
}

/** Speed and energy of each way to run it, against the whole model in the same rounds. */
function speedText({ batches, inWorker, records }: MeasuredExits): string {
  const joules = (batch: number, name: string) =>
    records.find(
      ({ what, settings }) =>
        what === 'energy.per-inference' && settings?.batch === batch && settings.contestant === name,
    );
  const rows = batches.flatMap(({ batch, contestants }) =>
    contestants.map(({ name, latency, throughput, throughputRatio, cpuRatio }) => {
      const energy = joules(batch, name);
      return [
        String(batch),
        name,
        `${digits(latency.value)} ms`,
        `${digits(throughput.value)}/s`,
        ratioText(throughputRatio),
        ratioText(cpuRatio),
        energy === undefined ? '–' : quantity(energy.value, 'J'),
      ];
    }),
  );
  const head = [
    'batch',
    'run as',
    'median call',
    'samples',
    'speed of whole',
    'its CPU time',
    'energy/sample',
  ];
  const single = inWorker.at(-1);
  const within =
    single === undefined
      ? ''
      : `\n the one file without the messages to its thread: ${ratioText(single.throughputRatio)} times the samples a second of the whole`;
  return `${textTable(head, rows, ['right', 'left', 'right', 'right', 'right', 'right', 'right'])}${within}`;
}

function ratioText({ value, interval }: Measurement): string {
  const bounds = interval === undefined ? '' : ` (${interval.low.toFixed(2)} to ${interval.high.toFixed(2)})`;
  return `${value.toFixed(2)}${bounds}`;
}

function placesText({ places, dropped, by }: ExitReport): string {
  const rows = places.map(({ node, depth, time, carried, pooling, features, accuracy, leaves, chosen }) => [
    `${chosen ? '▶' : ' '} ${node}`,
    percent(depth),
    ...(by === 'time' ? [time === undefined ? '–' : percent(time)] : []),
    String(carried),
    pooling,
    String(features),
    percent(accuracy),
    percent(leaves),
  ]);
  const head = [
    'place behind',
    'work so far',
    ...(by === 'time' ? ['time so far'] : []),
    'carried',
    'pooling',
    'features',
    'probe is right',
    'could leave',
  ];
  const gone =
    dropped.length === 0 ? '' : `\n dropped again, since nobody leaves there: ${dropped.join(', ')}`;
  const align = head.map((title) => (title === 'place behind' || title === 'pooling' ? 'left' : 'right'));
  return `${textTable(head, rows, align)}${gone}`;
}

function exitsTable({ exits, wholeMacs, test, by }: ExitReport): string {
  const rows = exits.map(({ id, node, macs, seconds, leaves, accuracy, threshold, calibration }) => [
    node === '' ? id : `${id} behind ${node}`,
    `${quantity(macs, '')} (${percent(macs / wholeMacs)})`,
    ...(by === 'time' ? [seconds === undefined ? '–' : quantity(seconds, 's')] : []),
    percent(leaves.value),
    accuracy === undefined ? '–' : within(accuracy),
    threshold === undefined ? '–' : threshold.toFixed(4),
    calibration === undefined ? '–' : calibration.temperature.toPrecision(3),
    calibration === undefined ? '–' : `${points(calibration.eceBefore)} → ${points(calibration.eceAfter)}`,
  ]);
  const head = [
    'leaving',
    'MACs until then',
    ...(by === 'time' ? ['time until then'] : []),
    'samples',
    'right of them',
    'threshold',
    'temperature',
    'ECE',
  ];
  return `${textTable(head, rows)}\n of ${test.n} test samples; ECE: calibration error before and after, in points`;
}

function promise({ certificate, labelled, against }: ExitReport): string {
  const { maxDrop, confidence, n, lost, gained, pValue, tested, counts } = certificate;
  const what = !labelled
    ? `at most ${points(maxDrop)} % of the answers differ from the whole model's`
    : counts === 'net'
      ? `the accuracy falls by no more than ${points(maxDrop)} points`
      : `no more than ${points(maxDrop)} % of the samples lose their right answer`;
  const seen = `${lost} lost and ${gained} gained of ${n} samples apart, p = ${pValue.toPrecision(2)}`;
  const from = against === 'end' ? ', reckoned from the model in the form that ships, nobody leaving' : '';
  return certificate.outcome === 'certified'
    ? `certified at ${percent(confidence)}: ${what}${from} (${seen}, ${tested} settings tested in sequence)`
    : `infeasible: it cannot be certified at ${percent(confidence)} that ${what}${from}, wherever samples leave (nobody leaving: ${seen}); nobody leaves`;
}

function outcome({ test, labelled, others, division }: ExitReport): string {
  const lines = [
    `${labelled ? 'accuracy' : 'agreement'}: ${within(test.staged)}, of the whole model ${within(test.whole)}; fall ${points(test.drop.value)} points (${points(test.drop.interval.low)} to ${points(test.drop.interval.high)})`,
    `work: ${quantity(test.macs, '')} MACs a sample on average, ${percent(test.macsShare)} of the whole model's`,
    ...others.map(({ output, difference, error }) => {
      const truth =
        error === undefined
          ? ''
          : `; mean absolute error ${error.staged.toPrecision(4)}, of the whole model ${error.whole.toPrecision(4)}`;
      return `${output}: ${difference.toPrecision(3)} from the whole model on average${truth}. Nothing is promised of it.`;
    }),
    `samples: ${division}`,
  ];
  return lines.map((line) => ` ${line}`).join('\n');
}

function within({ value, interval }: Share): string {
  return `${percent(value, 2)} (${points(interval.low)} to ${points(interval.high)})`;
}
