import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random, SILENT } from '../../src/base/index.ts';
import type { Dataset } from '../../src/data/index.ts';
import { assertValid, encodeModel, type Model, Tensor } from '../../src/graph/index.ts';
import { awqScaling, type Pass, smoothing } from '../../src/transform/index.ts';
import { gemmNet, LINEAR_PIECES, linearNet } from '../linear-nets.ts';
import { normals } from '../quantize-nets.ts';
import { answersOf, assertWithin } from './pass-contract.ts';

/** Passes that move factors between layers; they look at data, so that the contract of the exact passes does not fit. */
const PASSES: readonly Pass[] = [
  { ...smoothing, defaults: { ...smoothing.defaults, least: 1 } },
  { ...smoothing, defaults: { ...smoothing.defaults, least: 1, alpha: 0.5, explicit: 'never' } },
  { ...awqScaling, defaults: { ...awqScaling.defaults, least: 1, meanCorrection: false } },
];

interface Case {
  readonly model: Model;
  readonly data: Dataset;
  readonly dims: readonly number[];
}

/** What of the model changed in it. Fails where the answers or the input did. */
async function hold(pass: Pass, { model, data, dims }: Case, seed: number): Promise<readonly string[]> {
  const before = encodeModel(model);
  const made = await pass.apply(model, pass.defaults, { progress: SILENT, seed: 1, calibration: data });
  assert.ok(Buffer.compare(before, encodeModel(model)) === 0, 'the input was changed');
  if (!made.modified) assert.equal(made.model, model);
  assertValid(made.model);
  const feeds = { x: normals(new Random(seed + 100), [3, ...dims]) };
  assertWithin(await answersOf(made.model, feeds), await answersOf(model, feeds), pass.error(pass.defaults));
  return made.notes.filter(({ action }) => action === 'changed').map(({ why }) => why);
}

test('passes that move factors keep the answers within their declared error on random nets', async () => {
  for (const pass of PASSES) {
    let changed = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const found = [linearNet(seed), gemmNet(seed)];
      for (const one of found) changed += (await hold(pass, one, seed)).length > 0 ? 1 : 0;
    }
    assert.ok(changed > 12, `${pass.name} changed ${changed} of 24 nets`);
  }
});

test('every kind of maker takes the factors; a Mul of its own where there is none', async () => {
  for (const pass of PASSES) {
    for (const piece of LINEAR_PIECES) {
      const words = await hold(pass, linearNet(5, piece), 5);
      const own = words.filter((why) => why.includes('a Mul of its own'));
      if (piece !== 'nothing to fold into') {
        assert.ok(words.length > own.length, `${pass.name}: ${piece}`);
      } else
        assert.equal(
          own.length,
          'explicit' in pass.defaults && pass.defaults.explicit === 'never' ? 0 : 1,
          pass.name,
        );
    }
  }
});

test('a factor that one constant does not get is caught', async () => {
  for (const piece of ['attention', 'rows of Mul and Add', 'layer and Relu', 'PRelu']) {
    for (const pass of PASSES) {
      const forgetful: Pass = {
        ...pass,
        async apply(model, options, context) {
          const made = await pass.apply(model, options, context);
          const { graph } = made.model;
          const scaled = [...graph.initializers.keys()].filter((name) => !model.graph.initializers.has(name));
          // One channel, by 2 %.
          const name = scaled.find((one) => graph.initializers.get(one)!.dims.length === 1) ?? scaled[0]!;
          const old = graph.initializers.get(name)!;
          graph.initializers.set(
            name,
            Tensor.float32(
              old.dims,
              old.as('float32').map((value, i) => (i === 3 ? value * 1.02 : value)),
            ),
          );
          return made;
        },
      };
      await assert.rejects(hold(forgetful, linearNet(5, piece), 5), /is .*, not /, `${pass.name}: ${piece}`);
    }
  }
});
