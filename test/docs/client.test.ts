import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type PlainGrpc, servePlainGrpc } from '../plain-server/grpc.ts';
import { type PlainRest, servePlainRest } from '../plain-server/rest.ts';
import { ROOT } from '../shared-data.ts';

const examples = [
  ...readFileSync(join(ROOT, 'docs/client.md'), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms),
].map(([, code]) => code!);

let folder: string;
let rest: PlainRest;
let grpc: PlainGrpc;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'modicum-client-docs-'));
  rest = await servePlainRest();
  grpc = await servePlainGrpc();
});

after(async () => {
  await rest.close();
  await grpc.close();
  rmSync(folder, { recursive: true });
});

test('the examples of docs/client.md compile', () => {
  assert.equal(examples.length, 4);
  for (const [i, code] of examples.entries()) {
    const here = code
      .replace("'modicum/client'", `'${join(ROOT, 'src/client/index.ts')}'`)
      .replace("'modicum'", `'${join(ROOT, 'src/index.ts')}'`);
    writeFileSync(join(folder, `example-${i}.ts`), here);
  }
  // One fault shows that the files are compiled at all.
  writeFileSync(join(folder, 'planted.ts'), 'export const wrong: number = "text";\n');
  const compilerOptions = {
    rootDir: '/',
    noEmit: true,
    rewriteRelativeImportExtensions: false,
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules/@types')],
  };
  const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts'] };
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const run = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  const faults = run.stdout.split('\n').filter((line) => line.includes(folder.split('/').at(-1)!));
  assert.equal(faults.length, 1, run.stdout);
  assert.match(faults[0]!, /planted\.ts.*TS2322/);
});

/** Runs a program beside this one, which serves what it asks. */
async function run(...files: string[]): Promise<string> {
  const child = spawn(process.execPath, files, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, errors] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(code, 0, errors);
  return out;
}

for (const [i, code] of examples.entries()) {
  test(`example ${i + 1} of docs/client.md prints what it says`, async () => {
    const source = code.replace('http://localhost:8000', rest.url).replace('grpc://localhost:8001', grpc.url);
    writeFileSync(join(folder, `run-${i}.ts`), source);
    const alias = {
      'modicum/client': join(ROOT, 'build/src/client/index.js'),
      modicum: join(ROOT, 'build/src/index.js'),
    };
    const starter = join(folder, `start-${i}.mjs`);
    const jiti = JSON.stringify(join(ROOT, 'node_modules/jiti/lib/jiti.mjs'));
    writeFileSync(
      starter,
      `import { createJiti } from ${jiti};
       const jiti = createJiti(import.meta.url, { alias: ${JSON.stringify(alias)}, fsCache: false });
       await jiti.import(process.argv[2]);\n`,
    );
    const said = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text);
    assert.ok(said.length > 0);
    assert.deepEqual((await run(starter, join(folder, `run-${i}.ts`))).trim().split('\n'), said);
  });
}
