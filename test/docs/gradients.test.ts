import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { gradientsGrid } from '../../src/train/index.ts';
import { ROOT } from '../shared-data.ts';

const HEAD = `# Operators that train

Whether an operator can stand between the weights that are trained and the loss. "gradient": it has a rule of its own.
"expanded": before it is differentiated it is written in plain operators (recurrent layers step by step). "nothing flows
back": it is flat (steps, comparisons, shapes), so what stands before it learns nothing through it. "-": training ends with
TRAIN_NO_GRADIENT; operators before which no weight is trained need no gradient. Every rule is held to finite differences in
double precision (\`npm test -- contracts/gradients\`). This file is generated (\`UPDATE=1 npm test\`).
`;

test('docs/gradients.md says what the code says', () => {
  const path = join(ROOT, 'docs/gradients.md');
  const wanted = `${HEAD}\n${gradientsGrid()}`;
  if (process.env.UPDATE === '1') writeFileSync(path, wanted);
  assert.equal(readFileSync(path, 'utf8'), wanted, 'run the tests with UPDATE=1');
});
