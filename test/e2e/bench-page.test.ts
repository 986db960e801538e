import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { makeFolder, modicum, removeFolder } from './cli.ts';

const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium';
const absent = existsSync(BROWSER) ? false : 'no Chromium here';
const SPOTTER = new URL('../../../examples/keyword-spotter/light.onnx', import.meta.url).pathname;

/** Runs in the page: texts of charts that stick out of them, or lie on each other. */
const TEXTS_IN_TROUBLE = `[...document.querySelectorAll('svg')].flatMap((chart) => {
  const frame = chart.getBoundingClientRect();
  const texts = [...chart.querySelectorAll('text')].filter((text) => text.textContent.trim() !== '');
  const boxes = texts.map((text) => text.getBoundingClientRect());
  return texts.filter((text, i) => frame.width > 0 && (
    boxes[i].left < frame.left - 1 || boxes[i].right > frame.right + 1 ||
    boxes.some((other, j) => j > i && other.left < boxes[i].right - 1 && boxes[i].left < other.right - 1 &&
      other.top < boxes[i].bottom - 2 && boxes[i].top < other.bottom - 2)
  )).map((text) => text.textContent);
})`;

/** What is drawn, by the options that make it. */
const BENCHES: Record<string, string[]> = {
  curve: ['--scenario', 'server', '--rate', '20,60', '--p99', '500ms'],
  refused: [
    '--scenario',
    'server',
    '--rate',
    '300',
    '--outstanding',
    '1',
    '--arrivals',
    'bursty',
    '--p99',
    '1ms',
  ],
  single: ['--scenario', 'single-stream'],
  offline: ['--scenario', 'offline'],
};

describe('the report of a bench in a browser', { skip: absent }, () => {
  let folder = '';
  let browser: Browser;
  before(async () => {
    folder = await makeFolder();
    browser = await chromium.launch({
      executablePath: BROWSER,
      args: ['--no-sandbox', '--headless', '--disable-gpu'],
    });
  });
  after(async () => {
    await browser?.close();
    await removeFolder(folder);
  });

  for (const [name, options] of Object.entries(BENCHES)) {
    test(`${name}: no request, no error, no text out of place, on a desk and a telephone`, async () => {
      const html = join(folder, `${name}.html`);
      const args = ['bench', SPOTTER, ...options, '--seconds', '1', '--warm-up', '0.2', '--html', html];
      const ended = await modicum(args, folder);
      assert.ok(Number(ended.code) <= 1, ended.stderr);
      const verdict = ended.stdout.trim().split('\n').at(-1)!;
      for (const width of [1100, 400]) {
        const page = await browser.newPage({ viewport: { width, height: 900 } });
        const trouble: string[] = [];
        const file = pathToFileURL(html).href;
        page.on('console', (message) => trouble.push(`console: ${message.text()}`));
        page.on('pageerror', (error) => trouble.push(`error: ${error.message}`));
        page.on('request', (request) => request.url() !== file && trouble.push(`request: ${request.url()}`));
        await page.goto(file);
        const keep = process.env.MODICUM_SCREENSHOTS;
        if (keep !== undefined)
          await page.screenshot({ path: join(keep, `bench-${name}-${width}.png`), fullPage: true });
        assert.deepEqual(trouble, []);
        assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= width, `${width}`);
        assert.deepEqual(await page.evaluate<string[]>(TEXTS_IN_TROUBLE), []);
        assert.equal((await page.locator('.verdict').textContent())?.trim(), verdict);
        await page.close();
      }
    });
  }
});
