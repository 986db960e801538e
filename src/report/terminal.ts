import Table from 'cli-table3';
import pc from 'picocolors';
import { show } from './numbers.ts';
import type { Decision, Story, StoryVariant } from './story.ts';

/** Rows shown besides the chosen variant and the baseline. */
const MOST_ROWS = 8;

const MARKS: Record<StoryVariant['status'], (text: string) => string> = {
  chosen: (text) => pc.green(pc.bold(`▶ ${text}`)),
  baseline: (text) => pc.yellow(`◆ ${text}`),
  front: (text) => `● ${text}`,
  dominated: (text) => pc.dim(`○ ${text}`),
  rejected: (text) => pc.dim(`✗ ${text}`),
};

/** A table without lines, for a terminal. Columns after the first are right-aligned unless told. */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  align: readonly ('left' | 'right')[] = head.map((_, at) => (at === 0 ? 'left' : 'right')),
): string {
  const table = new Table({
    head: [...head],
    colAligns: [...align],
    style: { head: [], border: [], 'padding-left': 1, 'padding-right': 1 },
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '',
    },
  });
  for (const row of rows) table.push([...row]);
  return table.toString().replace(/[ \t]+$/gm, '');
}

/** The outcome of optimize as a short text: the verdict, and a table of the variants that matter. */
export function renderTerminal(story: Story): string {
  const rank: Record<StoryVariant['status'], number> = {
    baseline: 0,
    chosen: 1,
    front: 2,
    dominated: 3,
    rejected: 4,
  };
  const sorted = [...story.variants].sort((a, b) => rank[a.status] - rank[b.status]);
  const kept = sorted.filter((variant, at) => rank[variant.status] < 2 || at < MOST_ROWS);
  const rows = kept.map((variant) => {
    const { figures } = variant;
    const drop = figures.heldOutDrop ?? figures.drop;
    const speedup = figures.speedup === undefined ? '–' : `${figures.speedup.value.toFixed(2)}×`;
    return [
      MARKS[variant.status](variant.title),
      show(figures.heldOutAccuracy ?? figures.accuracy),
      drop === undefined ? '–' : drop.value.toFixed(2),
      show(figures.latency),
      show(figures.throughput),
      speedup,
      show(figures.cost),
      show(figures.size),
    ];
  });
  const head = [
    'variant',
    story.metric.name,
    'loss',
    'latency',
    'throughput',
    'speed-up',
    '$/million',
    'size',
  ];
  const left = story.variants.length - kept.length;
  const more = left > 0 ? `\n ${pc.dim(`and ${left} more in the report`)}` : '';
  return `${textTable(head, rows)}${more}\n\n${story.met ? pc.green(story.verdict) : pc.yellow(story.verdict)}`;
}

const OUTCOMES: Record<Decision['outcome'], (text: string) => string> = {
  taken: (text) => pc.green(`▶ ${text}`),
  refused: (text) => `✗ ${text}`,
  'not tried': (text) => pc.dim(`· ${text}`),
};

/** Every technique with what was decided on it and why, for a terminal: taken ones first. */
export function renderDecisions(decisions: readonly Decision[]): string {
  const order = Object.keys(OUTCOMES);
  const sorted = [...decisions].sort((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome));
  return sorted
    .map(({ technique, outcome, why }) => `${OUTCOMES[outcome](`${technique}, ${outcome}`)}\n    ${why}`)
    .join('\n');
}
