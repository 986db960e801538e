import { ALIKE_WITHIN, type Measurement } from '../measure/index.ts';
import { layerChart, operatorChart, sensitivityChart } from './charts/bar-charts.ts';
import { PARETO_AXES, type ParetoAxis, paretoChart } from './charts/pareto-chart.ts';
import { digits, quantity, show, showInterval } from './numbers.ts';
import { esc, page, section } from './page.ts';
import type { Figure, Story, StoryVariant } from './story.ts';

/** The report of one optimize run: a self-contained HTML page with its charts inside, no script. */
export async function renderHtml(story: Story): Promise<string> {
  const sections = [
    await pareto(story),
    variants(story),
    steps(story),
    await layers(story),
    await sensitivity(story),
    fusion(story),
    decisions(story),
    looks(story),
    skipped(story),
    method(story),
  ];
  const title = `${story.model.name} – Modicum`;
  const header = `<header><h1>Modicum · ${esc(story.model.name)} on ${esc(story.data.name)}</h1><p class="verdict">${esc(story.verdict)}</p></header>`;
  return page(title, [header, tiles(story), ...sections]);
}

function tiles(story: Story): string {
  const chosen = story.variants.find((variant) => variant.id === story.chosen);
  const baseline = story.variants.find((variant) => variant.status === 'baseline') ?? chosen;
  if (chosen === undefined) return '';
  const { figures } = chosen;
  const tile = (big: string, label: string, small: string, kind = '') =>
    `<div class="tile ${kind}"><b>${esc(big)}</b><span>${esc(label)}</span><span>${esc(small)}</span></div>`;
  const cells: string[] = [];
  const { speedup, latencyRatio, cost, size } = figures;
  if (speedup !== undefined) {
    const interval =
      speedup.low === undefined ? '' : `${speedup.low.toFixed(2)}–${speedup.high?.toFixed(2)}×, paired`;
    cells.push(tile(`${speedup.value.toFixed(2)}×`, 'throughput of the model as given', interval, 'good'));
  }
  if (latencyRatio !== undefined) {
    const faster = 1 / latencyRatio.value;
    const kind = faster > 1 + ALIKE_WITHIN ? 'good' : faster < 1 - ALIKE_WITHIN ? 'bad' : '';
    cells.push(
      tile(`${faster.toFixed(2)}×`, 'speed of a single call, one sample', show(figures.latency), kind),
    );
  }
  if (cost !== undefined) {
    cells.push(tile(show(cost), 'per million samples', `was ${show(baseline?.figures.cost)}`));
  }
  if (figures.energy !== undefined) {
    cells.push(tile(show(figures.energy), 'per sample', `was ${show(baseline?.figures.energy)}`));
  }
  if (size !== undefined) cells.push(tile(show(size), 'model file', `was ${show(baseline?.figures.size)}`));
  const drop = figures.heldOutDrop ?? figures.drop;
  if (drop !== undefined) {
    const where = figures.heldOutDrop === undefined ? 'search part' : 'held-out part';
    cells.push(tile(signed(drop), `loss of ${story.metric.name}, ${where}`, lossInterval(drop)));
  }
  return `<div class="tiles">${cells.join('')}</div>`;
}

function signed(figure: Figure): string {
  return figure.unit === '%' ? `${figure.value.toFixed(2)} pt` : quantity(figure.value, figure.unit);
}

/** A loss of shares is in points, not per cent of anything. */
function lossInterval(figure: Figure | undefined): string {
  return figure?.unit === '%' ? showInterval(figure).replaceAll(' %', ' pt') : showInterval(figure);
}

async function pareto(story: Story): Promise<string> {
  const order = [story.goal.minimize, 'latency', 'cost', 'energy', 'size'] as ParetoAxis[];
  const charts: { by: ParetoAxis; svg: string }[] = [];
  for (const by of new Set(order)) {
    const svg = await paretoChart(story, by);
    if (svg !== undefined) charts.push({ by, svg });
  }
  if (charts.length === 0) return '';
  const tabs = charts
    .map(
      ({ by }, i) =>
        `<input type="radio" name="axis" id="axis-${by}"${i === 0 ? ' checked' : ''}><label for="axis-${by}">${esc(PARETO_AXES[by].title)}</label>`,
    )
    .join('');
  return section(
    'Accuracy against cost',
    'Each point is a variant, measured on this machine; accuracy is that of the search part. Left and up is better. The dotted line is the largest loss that the goal allows.',
    `<div class="tabs">${tabs}${charts.map(({ svg }) => `<div>${svg}</div>`).join('')}</div>`,
  );
}

function variants(story: Story): string {
  const cell = (figure: Figure | undefined, text = show(figure), interval = showInterval(figure)) => {
    return `<td class="n">${esc(text)}${interval === '' ? '' : `<small>${esc(interval)}</small>`}</td>`;
  };
  const row = (variant: StoryVariant) => {
    const { figures } = variant;
    const drop = figures.heldOutDrop ?? figures.drop;
    const settings = Object.entries(variant.settings).map(([name, value]) =>
      name === 'run' ? String(value) : `${name} ${value}`,
    );
    const about = [variant.why, settings.join(', '), variant.recipe.join(' → ')].filter(
      (text) => text !== '',
    );
    const cells = [
      cell(figures.heldOutAccuracy ?? figures.accuracy),
      cell(drop, drop === undefined ? '–' : signed(drop), lossInterval(drop)),
      cell(figures.latency),
      cell(figures.throughput),
      cell(figures.speedup, figures.speedup === undefined ? '–' : `${figures.speedup.value.toFixed(2)}×`),
      cell(figures.cost),
      cell(figures.energy),
      cell(figures.size),
    ].join('');
    return `<tr class="${variant.status}"><td><b>${esc(variant.title)}</b><br><span class="badge ${variant.status}">${variant.status}</span></td>${cells}</tr><tr class="${variant.status} why"><td colspan="9">${esc(about.join(' · '))}</td></tr>`;
  };
  return section(
    'Variants',
    'Accuracy and loss are of the held-out part for the finalists (those with an interval that decided), of the search part for the others.',
    `<table><thead><tr><th>variant</th><th class="n">${esc(story.metric.name)}</th><th class="n">loss</th><th class="n">latency</th><th class="n">throughput</th><th class="n">speed-up</th><th class="n">$ / million</th><th class="n">energy</th><th class="n">size</th></tr></thead><tbody>${story.variants.map(row).join('')}</tbody></table>`,
  );
}

function steps(story: Story): string {
  if (story.steps.length === 0) return '';
  const rows = story.steps.map(
    (step) =>
      `<tr><td>${esc(step.title)}</td><td class="n">${esc(show(step.accuracy))}</td><td class="n">${esc(show(step.latency))}</td><td class="n">${esc(show(step.throughput))}</td><td class="n">${esc(show(step.size))}</td></tr>`,
  );
  return section(
    'What each step bought',
    'The chosen recipe, step by step.',
    `<table><thead><tr><th>after</th><th class="n">${esc(story.metric.name)} (search part)</th><th class="n">latency, one sample</th><th class="n">throughput</th><th class="n">size</th></tr></thead><tbody>${rows.join('')}</tbody></table>`,
  );
}

async function layers(story: Story): Promise<string> {
  if (story.layers === undefined) return '';
  const { before, after } = story.layers;
  const both = await operatorChart(story.layers);
  return section(
    'Where the time goes',
    "From the runtime's own profile, one sample, one thread; the names are those of the graph that the runtime executes after its fusions.",
    `${both}<details><summary>Layer by layer</summary><h3>as given</h3>${await layerChart(before, false)}<h3>chosen</h3>${await layerChart(after, true)}</details>`,
  );
}

async function sensitivity(story: Story): Promise<string> {
  if (story.sensitivity === undefined || story.sensitivity.length === 0) return '';
  return section(
    'Which layers mind being quantized',
    'Found on the calibration part; layers are taken back to float in this order while accuracy does not hold.',
    await sensitivityChart(story.sensitivity),
  );
}

function fusion(story: Story): string {
  if (story.fusion === undefined || story.fusion.length === 0) return '';
  const rows = story.fusion.map(
    ({ node, op, status, why }) =>
      `<tr><td>${esc(node)}</td><td>${esc(op)}</td><td>${esc(status)}</td><td>${esc(why)}</td></tr>`,
  );
  return section(
    'What the runtime really executes',
    'Read from the graph that ONNX Runtime runs for the chosen variant.',
    `<details><summary>${rows.length} node${rows.length === 1 ? '' : 's'}</summary><table><thead><tr><th>node</th><th>operator</th><th>status</th><th>executed as, or why not</th></tr></thead><tbody>${rows.join('')}</tbody></table></details>`,
  );
}

/** Every technique, taken ones first, then what was tried, then what was not. */
function decisions({ decisions: all = [] }: Story): string {
  if (all.length === 0) return '';
  const order = ['taken', 'refused', 'not tried'];
  const sorted = [...all].sort((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome));
  const rows = sorted.map(
    ({ technique, outcome, why }) =>
      `<tr><td>${esc(technique)}</td><td>${esc(outcome)}</td><td>${esc(why)}</td></tr>`,
  );
  return section(
    'Every technique, and what was decided',
    'Figures are against the model as given; a first look sees a few samples and a short race.',
    `<table><thead><tr><th>technique</th><th></th><th>why</th></tr></thead><tbody>${rows.join('')}</tbody></table>`,
  );
}

function looks({ looks: all = [], goal }: Story): string {
  if (all.length === 0) return '';
  const rows = all.map(({ what, settings, rung, why, objective, drop, failed, seconds }) => {
    const found =
      failed ??
      `${objective === undefined ? '–' : digits(objective)}, ${drop === undefined ? '–' : digits(drop)} lost`;
    return `<tr><td>${esc(what)}</td><td>${esc(settings)}</td><td>${rung === 0 ? 'first look' : 'in full'}</td><td>${esc(found)}</td><td>${seconds.toFixed(1)} s</td><td>${esc(why)}</td></tr>`;
  });
  return section(
    'The way of the search',
    `Step by step: what was looked at, what it came to (${goal.minimize}${goal.minimize === 'size' ? ' in bytes' : ' against the model as given'}, and the loss on the search part), and why there.`,
    `<details><summary>${rows.length} looks</summary><table><thead><tr><th>variant</th><th>settings</th><th></th><th>found</th><th>took</th><th>why</th></tr></thead><tbody>${rows.join('')}</tbody></table></details>`,
  );
}

function skipped(story: Story): string {
  if (story.skipped.length === 0) return '';
  const rows = story.skipped.map(({ what, why }) => `<tr><td>${esc(what)}</td><td>${esc(why)}</td></tr>`);
  return section('What was not tried', '', `<table><tbody>${rows.join('')}</tbody></table>`);
}

function method(story: Story): string {
  const { data } = story;
  const facts: (readonly [string, string])[] = [
    [
      'data',
      `${data.name}: ${data.size} samples; ${data.calibration} for calibration, ${data.search} for the search, ${data.heldOut} held out`,
    ],
    ['split', data.rule],
    ...(data.training === undefined
      ? []
      : ([
          [
            'trained on',
            `${data.training} other samples${data.trainingShared ? `; ${data.trainingShared} that are in the data too were left out` : ''}`,
          ],
        ] as [string, string][])),
    ['seed', String(story.seed)],
    ['model', `${story.model.name}, ${quantity(story.model.bytes, 'B')}, sha256 ${story.model.sha256}`],
    ['search took', `${story.seconds.toFixed(1)} s`],
    ['made', `${story.at}, Modicum ${story.version}`],
    ...story.machine,
  ];
  const list = facts.map(([name, value]) => `<dt>${esc(name)}</dt><dd>${esc(value)}</dd>`).join('');
  return section(
    'How these numbers were obtained',
    '',
    `<dl>${list}</dl><details><summary>All records (${story.records.length})</summary><table><thead><tr><th>what</th><th class="n">value</th><th>interval</th><th>how</th><th class="n">n</th><th>method</th></tr></thead><tbody>${story.records.map(record).join('')}</tbody></table></details>`,
  );
}

function record(row: Measurement): string {
  const interval = row.interval;
  const range =
    interval === undefined
      ? ''
      : `${digits(interval.low)} to ${digits(interval.high)} (${interval.level * 100} %, ${interval.method})`;
  const settings = Object.entries(row.settings ?? {}).map(([name, value]) => `${name}=${value}`);
  return `<tr><td>${esc(row.what)}<small>${esc(settings.join(' '))}</small></td><td class="n">${esc(quantity(row.value, row.unit))}</td><td>${esc(range)}</td><td>${esc(row.how)}</td><td class="n">${row.n}</td><td>${esc(row.method)}</td></tr>`;
}
