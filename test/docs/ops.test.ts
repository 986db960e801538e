import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { opsGrid } from '../../src/graph/index.ts';
import { ROOT } from '../shared-data.ts';

const HEAD = `# Operators

What Modicum knows of each operator: in which opsets it changed, how many inputs and outputs it takes, the rule for the shape of
its (first) output, and the work that \`modicum profile\` counts. MACs are multiply-accumulates, all else is counted one operation
for each addition, comparison or exponential. An operator that is not listed still runs; its shapes are then observed by running.
How to add one: see CONTRIBUTING.md. This file is generated (\`UPDATE=1 npm test\`).
`;

test('docs/ops.md says what the code says', () => {
  const path = join(ROOT, 'docs/ops.md');
  const wanted = `${HEAD}\n${opsGrid()}`;
  if (process.env.UPDATE === '1') writeFileSync(path, wanted);
  assert.equal(readFileSync(path, 'utf8'), wanted, 'run the tests with UPDATE=1');
});
