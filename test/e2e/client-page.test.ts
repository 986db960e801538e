import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import type * as Client from '../../src/client/browser.ts';
import { servePlainRest } from '../plain-server/rest.ts';

const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium';
const absent = existsSync(BROWSER) ? false : 'no Chromium here';

const BUILD = new URL('../..', import.meta.url).pathname;
const MODULES = new URL('../../../node_modules', import.meta.url).pathname;

/** The built files as they are, without a bundler: whatever needs Node would not load. */
const PAGE = `<!doctype html><link rel="icon" href="data:,"><script type="importmap">{"imports":{
  "@bufbuild/protobuf": "/node_modules/@bufbuild/protobuf/dist/esm/index.js",
  "@bufbuild/protobuf/": "/node_modules/@bufbuild/protobuf/dist/esm/",
  "@bufbuild/protobuf/codegenv2": "/node_modules/@bufbuild/protobuf/dist/esm/codegenv2/index.js",
  "pure-rand/generator/xoroshiro128plus": "/node_modules/pure-rand/lib/esm/generator/xoroshiro128plus.js",
  "@bufbuild/protobuf/wire": "/node_modules/@bufbuild/protobuf/dist/esm/wire/index.js"
}}</script>
<script type="module">
  import * as client from '/src/client/browser.js';
  globalThis.modicumClient = client;
  document.title = 'ready';
</script>`;

async function servePage() {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://x').pathname);
    if (path === '/') return response.setHeader('content-type', 'text/html').end(PAGE);
    const file = path.startsWith('/node_modules/')
      ? join(MODULES, path.slice('/node_modules'.length))
      : join(BUILD, path);
    const text = await readFile(file).catch(() => undefined);
    if (text === undefined) return response.writeHead(404).end();
    response.setHeader('content-type', 'text/javascript').end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}/`, close };
}

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'authorization, content-type, inference-header-content-length',
};
const EXPOSED = {
  ...CORS,
  'access-control-expose-headers': 'inference-header-content-length, x-modicum-batch',
  'x-modicum-batch': '3',
};

test('the client runs in a browser, against a server of another origin', { skip: absent }, async () => {
  const page = await servePage();
  const open = await servePlainRest({ headers: EXPOSED });
  const shut = await servePlainRest({ headers: CORS });
  const browser = await chromium.launch({ executablePath: BROWSER, args: ['--no-sandbox'] });
  try {
    const tab = await browser.newPage();
    const problems: string[] = [];
    tab.on('pageerror', (error) => problems.push(error.message));
    tab.on('console', (message) => problems.push(message.text()));
    tab.on('requestfailed', (request) => problems.push(request.url()));
    await tab.goto(page.url);
    const ready = tab.waitForFunction('document.title === "ready"', undefined, { timeout: 30_000 });
    await ready.catch(() => assert.deepEqual(problems, [], 'the client did not load'));
    const answers = await tab.evaluate(
      async ([open, shut]) => {
        const { InferenceClient, Tensor } = (globalThis as unknown as { modicumClient: typeof Client })
          .modicumClient;
        const client = new InferenceClient(open, { key: 'secret' });
        const x = { shape: [1, 2], data: Float32Array.of(1.5, -2) };
        const { outputs, cost } = await client.infer('double', { x });
        const half = Tensor.ofBytes('float16', [1], Uint8Array.of(1, 2));
        const echoed = await client.infer('echo', { half, s: { shape: [1], data: ['ü'] } });
        const bare = new InferenceClient(shut);
        const hidden = await bare.infer('double', { x }).catch((error: { hint: string }) => error.hint);
        const json = await new InferenceClient(shut, { binary: false }).infer('double', { x });
        return {
          live: await client.live(),
          y: outputs.y!.numbers(),
          cost,
          half: [...echoed.outputs.half!.bytes()],
          s: echoed.outputs.s!.strings(),
          hidden,
          json: json.outputs.y!.numbers(),
        };
      },
      [open.url, shut.url] as const,
    );
    assert.match(String(answers.hidden), /expose/);
    assert.deepEqual(
      { ...answers, hidden: '' },
      {
        live: true,
        y: [3, -4],
        cost: { batch: 3 },
        half: [1, 2],
        s: ['ü'],
        hidden: '',
        json: [3, -4],
      },
    );
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
    page.close();
    await open.close();
    await shut.close();
  }
});
