import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModicumError } from '../../src/base/index.ts';
import { answersOf } from '../contracts/pass-contract.ts';
import { randomGraph } from '../contracts/random-graph.ts';
import { assertClose, compiledAnswers, prepared } from './compiled.ts';

const GRAPHS = Number(process.env.MODICUM_GRAPHS ?? 150);

test(`compiled random graphs answer as ONNX Runtime does, ${GRAPHS} of them`, async (t) => {
  let [compiled, refused] = [0, 0];
  const whys = new Set<string>();
  for (let seed = 1; seed <= GRAPHS; seed++) {
    const { model, feeds, story } = randomGraph(seed);
    const clean = await prepared(model, feeds);
    const wanted = await answersOf(clean, feeds);
    for (const target of ['simd', 'scalar'] as const) {
      try {
        assertClose(await compiledAnswers(clean, feeds, target), wanted, 1e-5, `${target}, ${story}`, 1);
        compiled += 1;
      } catch (cause) {
        if (!(cause instanceof ModicumError && cause.code === 'EDGE_UNSUPPORTED')) {
          throw new Error(`${target}, ${story}: ${(cause as Error).message}`, { cause });
        }
        refused += 1;
        whys.add(cause.message);
      }
    }
  }
  t.diagnostic(`${compiled} compiled, ${refused} refused: ${[...whys].join(' | ').slice(0, 1000)}`);
  assert.ok(compiled > GRAPHS, `only ${compiled} compiled: ${[...whys].join(' | ')}`);
});
