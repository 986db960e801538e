import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderHtml, renderTerminal } from '../../src/report/index.ts';
import { sampleStory } from './sample-story.ts';

test('the page is self-contained, escapes what it is given and holds every part', async () => {
  const html = await renderHtml(sampleStory());
  assert.ok(!/<script|<link|src=|@import|url\((?!#)/i.test(html), 'nothing is fetched and nothing runs');
  assert.ok(html.includes('keyword &lt;spotter&gt;.onnx'));
  assert.ok(!html.includes('<spotter>'));
  for (const part of [
    'Accuracy against cost',
    'What each step bought',
    'Where the time goes',
    'Which layers mind being quantized',
    'What the runtime really executes',
    'What was not tried',
    'How these numbers were obtained',
  ]) {
    assert.ok(html.includes(part), part);
  }
  assert.ok(
    (html.match(/<svg /g) ?? []).length >= 7,
    'four Pareto plots, operators, layers twice, sensitivity',
  );
  assert.ok(!/NaN|undefined|Infinity/.test(html));
});

test('the page leaves out what was not measured', async () => {
  const story = sampleStory();
  const html = await renderHtml({
    ...story,
    layers: undefined,
    sensitivity: [],
    fusion: [],
    skipped: [],
    steps: [],
  });
  for (const part of [
    'Where the time goes',
    'Which layers mind',
    'What was not tried',
    'What each step bought',
  ]) {
    assert.ok(!html.includes(part), part);
  }
});

test('the terminal shows the baseline, the chosen variant and the verdict', () => {
  const text = renderTerminal(sampleStory()).replace(/\u001b\[\d+m/g, '');
  const lines = text.split('\n');
  assert.ok(lines.some((line) => line.includes('◆ as given')));
  assert.ok(lines.some((line) => line.includes('▶ int8 static (mse)') && line.includes('3.90×')));
  assert.ok(text.includes('losing 0.2 points at most'));
});
