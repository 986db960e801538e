import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { parse } from 'csv-parse/sync';
import { fail, messageOf } from '../base/index.ts';
import { writeFileAtomically } from '../files/index.ts';
import type { Trace } from './arrivals/index.ts';
import { OUTCOMES } from './outcome.ts';
import type { Recording } from './recording.ts';

/** Names of the column of times, with ms per unit; undefined: a date. Relative times are kept, the others count from the first. */
const TIMES: Readonly<Record<string, { readonly ms: number | undefined; readonly relative: boolean }>> = {
  at_ms: { ms: 1, relative: true },
  at_s: { ms: 1000, relative: true },
  at: { ms: 1000, relative: true },
  time_ms: { ms: 1, relative: false },
  timestamp_ms: { ms: 1, relative: false },
  time_s: { ms: 1000, relative: false },
  time: { ms: undefined, relative: false },
  timestamp: { ms: undefined, relative: false },
};
const MOST_BYTES = 512 * 2 ** 20;
const MOST_SIZE = 4096;

/**
 * Arrival times from a .csv with a header or a .jsonl: a column at_ms or at_s (since the start), time_ms, time_s, timestamp_ms, or
 * time or timestamp (ISO 8601 dates, or seconds); optionally size (samples of a request) and sample (which one). Rows need not be in
 * order. Throws FILE_NOT_FOUND, DATA_FORMAT_UNKNOWN, DATA_DAMAGED, DATA_EMPTY.
 */
export async function readTrace(path: string): Promise<Trace> {
  const rows = await readRows(path);
  const damaged = (row: number, why: string) =>
    fail('DATA_DAMAGED', `row ${row + 1} of ${path} ${why}`, { row: row + 1 });
  if (rows.length === 0) throw fail('DATA_EMPTY', `${path} has no arrivals`);
  const column = Object.keys(TIMES).find((name) => rows[0]![name] !== undefined);
  if (column === undefined) {
    throw fail('DATA_DAMAGED', `${path} has no column of times`, {
      hint: `Name it one of ${Object.keys(TIMES).join(', ')}.`,
    });
  }
  const { ms, relative } = TIMES[column]!;
  const whole = (row: number, name: 'size' | 'sample', least: number, most: number) => {
    const value = Number(rows[row]![name]);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw damaged(
      row,
      `has ${name} "${rows[row]![name]}", which is no whole number from ${least} to ${most}`,
    );
  };
  const found = rows.map((fields, row) => {
    const at = timeOf(fields[column], ms);
    if (at === undefined || (relative && at < 0))
      throw damaged(row, `has ${column} "${fields[column]}", which is no time`);
    return {
      at,
      size: fields.size === undefined || fields.size === '' ? 1 : whole(row, 'size', 1, MOST_SIZE),
      sample: fields.sample === undefined ? 0 : whole(row, 'sample', 0, 2 ** 31),
    };
  });
  found.sort((a, b) => a.at - b.at);
  const start = relative ? 0 : found[0]!.at;
  return {
    name: path,
    times: Float64Array.from(found, ({ at }) => at - start),
    ...(rows[0]!.size !== undefined && { sizes: Uint32Array.from(found, ({ size }) => size) }),
    ...(rows[0]!.sample !== undefined && { samples: Uint32Array.from(found, ({ sample }) => sample) }),
  };
}

type Row = Readonly<Record<string, unknown>>;

async function readRows(path: string): Promise<Row[]> {
  const about = await stat(path).catch((cause) => {
    throw fail('FILE_NOT_FOUND', path, { path }, cause);
  });
  if (!about.isFile() || about.size > MOST_BYTES) {
    throw fail('FILE_UNREADABLE', `${path} is no file of at most ${MOST_BYTES} bytes`, { path });
  }
  const kind = extname(path).toLowerCase();
  const text = await readFile(path, 'utf8');
  if (kind === '.csv') {
    try {
      return parse(text, { columns: true, skip_empty_lines: true, trim: true, bom: true }) as Row[];
    } catch (cause) {
      throw fail('DATA_DAMAGED', `${path}: ${messageOf(cause)}`, { path }, cause);
    }
  }
  if (kind !== '.jsonl' && kind !== '.ndjson') {
    throw fail('DATA_FORMAT_UNKNOWN', `${path} is no .csv or .jsonl`, {
      hint: 'A trace is a .csv with a header or a .jsonl with a column at_ms, at_s, time_ms, time or timestamp (docs/bench.md).',
    });
  }
  return text
    .split('\n')
    .map((line, at) => ({ line, at }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, at }) => {
      let row: unknown;
      try {
        row = JSON.parse(line);
      } catch (cause) {
        throw fail(
          'DATA_DAMAGED',
          `line ${at + 1} of ${path}: ${messageOf(cause)}`,
          { path, line: at + 1 },
          cause,
        );
      }
      if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as Row;
      throw fail('DATA_DAMAGED', `line ${at + 1} of ${path} is no JSON object`, { path, line: at + 1 });
    });
}

/** ms, or undefined where it is no time. Without a unit: a date, or seconds. */
function timeOf(value: unknown, ms: number | undefined): number | undefined {
  const text = String(value ?? '').trim();
  const number = text === '' ? Number.NaN : Number(text);
  if (Number.isFinite(number)) return number * (ms ?? 1000);
  const date = ms === undefined ? Date.parse(text) : Number.NaN;
  return Number.isFinite(date) ? date : undefined;
}

/**
 * Writes every query of a run as a trace that repeats it: when it was due, its first sample and size; and, beside that, when it was
 * sent, how long it took and what became of it.
 */
export async function writeTrace(path: string, recording: Recording): Promise<void> {
  const lines = ['at_ms,sample,size,sent_ms,latency_ms,outcome'];
  const { scheduled, sent, done, outcome, size, sample } = recording;
  for (let i = 0; i < scheduled.length; i++) {
    const latency = Number.isNaN(done[i]!) ? '' : (done[i]! - scheduled[i]!).toFixed(4);
    // All digits of the schedule, so that a replay is the same to the last bit.
    lines.push(
      `${scheduled[i]},${sample[i]},${size[i]},${sent[i]!.toFixed(4)},${latency},${OUTCOMES[outcome[i]!]}`,
    );
  }
  await writeFileAtomically(path, `${lines.join('\n')}\n`);
}
