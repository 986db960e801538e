import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModicumError } from '../../src/base/index.ts';
import type { Fetches } from '../../src/run/index.ts';
import { randomGraph } from '../contracts/random-graph.ts';
import { answersInC, type CTrial, differing, hasCompiler, SANITIZED } from './c-programs.ts';
import { compiledAnswers, prepared } from './compiled.ts';

const GRAPHS = Number(process.env.MODICUM_GRAPHS ?? 100);
/** Of a program: so many models are compiled together. */
const BATCH = 50;

interface Known extends CTrial {
  readonly wanted: Fetches;
  readonly story: string;
}

async function trials(from: number, count: number): Promise<Known[]> {
  const made: Known[] = [];
  for (let seed = from; seed < from + count; seed++) {
    const { model, feeds, story } = randomGraph(seed);
    const clean = await prepared(model, feeds);
    try {
      made.push({ model: clean, feeds, story, wanted: await compiledAnswers(clean, feeds, 'scalar') });
    } catch (cause) {
      if (!(cause instanceof ModicumError && cause.code === 'EDGE_UNSUPPORTED')) throw cause;
    }
  }
  return made;
}

test(`random graphs in C give the bits of the scalar module, ${GRAPHS} of them`, async (t) => {
  if (!hasCompiler()) return t.skip('no gcc');
  let compiled = 0;
  for (let from = 1; from <= GRAPHS; from += BATCH) {
    const known = await trials(from, Math.min(BATCH, GRAPHS + 1 - from));
    const { answers } = await answersInC(known, { flags: ['-O0', ...SANITIZED] });
    const wrong = answers.flatMap((found, i) =>
      differing(found, known[i]!.wanted).map((what) => `${what} (${known[i]!.story})`),
    );
    assert.deepEqual(wrong, []);
    compiled += known.length;
  }
  t.diagnostic(`${compiled} compiled`);
  assert.ok(compiled > GRAPHS / 2);
});
