import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { openDataset } from '../../src/data/index.ts';
import { optimize } from '../../src/optimize/index.ts';
import { renderHtml, type Story } from '../../src/report/index.ts';
import { sampleStory } from '../report/sample-story.ts';
import { makeFolder, removeFolder } from './cli.ts';
import { writeConvPair } from './samples.ts';

const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium';
const absent = existsSync(BROWSER) ? false : 'no Chromium here';

/** Reports by name: of a real bundle, and of stories that are hard to draw. */
async function writeReports(folder: string): Promise<string[]> {
  const { model, data } = await writeConvPair(folder, 200);
  const goal = { metric: 'top1', maxDrop: 5 };
  const dataset = await openDataset(data);
  const { bundle } = await optimize({ model, data: dataset, goal, budget: 5, out: join(folder, 'real') });
  assert.equal(bundle?.report, 'report.html');
  const names = ['real'];
  for (const [name, story] of Object.entries(hardStories())) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'report.html'), await renderHtml(story));
    names.push(name);
  }
  return names;
}

/** Long names, many variants, numbers from tiny to huge, and as little as there can be. */
function hardStories(): Record<string, Story> {
  const story = sampleStory();
  const [given, ...rest] = story.variants as [Story['variants'][number], ...Story['variants'][number][]];
  const long = 'a_name_without_any_place_to_break_it_'.repeat(4);
  const many = Array.from({ length: 20 }, (_, i) => {
    const like = rest[i % rest.length]!;
    const scaled = Object.entries(like.figures).map(([name, figure]) => [
      name,
      {
        ...figure,
        value: figure.value * (name === 'drop' ? 1 : 10 ** ((i % 5) - 2)),
        low: undefined,
        high: undefined,
      },
    ]);
    const figures = { ...like.figures, ...Object.fromEntries(scaled), accuracy: like.figures.accuracy };
    return { ...like, id: `${like.id}-${i}`, title: `${like.title} number ${i}`, figures };
  });
  return {
    many: { ...story, variants: [given, ...rest, ...many] },
    long: {
      ...story,
      model: { ...story.model, name: `${long}.onnx` },
      data: { ...story.data, name: long },
      variants: story.variants.map((variant) => ({
        ...variant,
        title: `${variant.title} ${long.slice(0, 60)}`,
      })),
      sensitivity: [{ node: `/model/${long}/Conv`, op: 'Conv', sqnr: 12 }],
      fusion: [{ node: `/model/${long}/Conv`, op: 'Conv', status: 'fused', why: long }],
      skipped: [{ what: long, why: long }],
      machine: [['processor', long]],
      layers: {
        before: [
          { name: `/model/${long}/Conv`, op: 'Conv', us: 1e7 },
          { name: 'tiny', op: 'Relu', us: 1e-3 },
        ],
        after: [{ name: `/model/${long}/Conv_quant`, op: 'QLinearConv', us: 3e6 }],
      },
    },
    bare: {
      ...story,
      variants: [{ ...given, figures: { size: given.figures.size }, why: '' }],
      chosen: given.id,
      met: false,
      layers: undefined,
      sensitivity: undefined,
      fusion: undefined,
      steps: [],
      skipped: [],
      records: [],
    },
  };
}

/** Runs in the page: the texts of shown charts that stick out of them. */
const TEXT_OUTSIDE = `[...document.querySelectorAll('svg')].flatMap((chart) => {
  const frame = chart.getBoundingClientRect();
  return [...chart.querySelectorAll('text')].filter((text) => {
    const box = text.getBoundingClientRect();
    return frame.width > 0 && (box.left < frame.left - 1 || box.right > frame.right + 1);
  }).map((text) => text.textContent);
})`;

describe('the report in a browser', { skip: absent }, () => {
  let folder = '';
  let browser: Browser;
  let reports: string[];

  before(async () => {
    folder = await makeFolder();
    reports = await writeReports(folder);
    browser = await chromium.launch({
      executablePath: BROWSER,
      args: ['--no-sandbox', '--headless', '--disable-gpu'],
    });
  });
  after(async () => {
    await browser?.close();
    await removeFolder(folder);
  });

  /** Opens a report; `trouble` gathers what the console and the network say. */
  async function open(name: string, width: number): Promise<{ page: Page; trouble: string[] }> {
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    const trouble: string[] = [];
    const file = pathToFileURL(join(folder, name, 'report.html')).href;
    page.on('console', (message) => trouble.push(`console: ${message.text()}`));
    page.on('pageerror', (error) => trouble.push(`error: ${error.message}`));
    page.on('request', (request) => {
      if (request.url() !== file) trouble.push(`request: ${request.url()}`);
    });
    await page.goto(file);
    const keep = process.env.MODICUM_SCREENSHOTS;
    if (keep !== undefined)
      await page.screenshot({ path: join(keep, `${name}-${width}.png`), fullPage: true });
    return { page, trouble };
  }

  test('opens from a file with no request, no error, and fits a desk and a telephone', async () => {
    for (const name of reports) {
      for (const width of [1100, 400]) {
        const { page, trouble } = await open(name, width);
        assert.deepEqual(trouble, [], name);
        const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
        assert.ok(wide <= width, `${name} is ${wide} wide on a screen of ${width}`);
        await page.close();
      }
    }
  });

  test('a tab shows its chart and hides the others', async () => {
    const { page } = await open('real', 1100);
    const labels = page.locator('.tabs > label');
    const count = await labels.count();
    assert.equal(count, await page.locator('.tabs > div').count());
    assert.ok(count >= 3);
    for (let at = 0; at < count; at++) {
      await labels.nth(at).click();
      const shown = await Promise.all(
        (await page.locator('.tabs > div').all()).map((panel) => panel.isVisible()),
      );
      assert.deepEqual(
        shown,
        Array.from({ length: count }, (_, i) => i === at),
      );
      const box = await page.locator('.tabs > div').nth(at).locator('svg').boundingBox();
      assert.ok(box !== null && box.width > 500 && box.height > 200);
    }
    await page.close();
  });

  test('no text of a chart leaves it', async () => {
    for (const name of reports) {
      const { page } = await open(name, 1100);
      const outside = await page.evaluate<string[]>(TEXT_OUTSIDE);
      assert.deepEqual(outside, [], name);
      await page.close();
    }
  });
});
