import { OPS } from './index.ts';
import type { OpSpec } from './op.ts';

/** A column of docs/ops.md: what one room says of an op. Other rooms add theirs (has it a gradient? can it be quantized?). */
export interface OpColumn {
  readonly title: string;
  readonly cell: (spec: OpSpec) => string;
}

/** "2-3", "3", "1 or more". */
function count([least, most]: readonly [number, number]): string {
  if (most === Number.POSITIVE_INFINITY) return `${least} or more`;
  return least === most ? `${least}` : `${least}-${most}`;
}

function traits({ traits: { weighted, ...flags } }: OpSpec): string {
  const words = Object.keys(flags);
  if (weighted !== undefined) words.push(`weights in input ${weighted.weight}`);
  return words.join(', ');
}

/** What the graph room knows. */
export const OP_COLUMNS: readonly OpColumn[] = [
  { title: 'Since opset', cell: ({ since }) => since.join(', ') },
  { title: 'Inputs', cell: ({ inputs }) => count(inputs) },
  { title: 'Outputs', cell: ({ outputs }) => count(outputs) },
  { title: 'Shape of the output', cell: ({ says }) => says },
  { title: 'Work', cell: ({ work }) => work },
  { title: 'Traits', cell: traits },
];

/** One Markdown table for each domain, ops in alphabetical order. */
export function opsGrid(columns: readonly OpColumn[] = OP_COLUMNS): string {
  const specs = Object.values<OpSpec>(OPS);
  const domains = [...new Set(specs.map(({ domain }) => domain))].sort();
  return domains.map((domain) => tableOf(domain, specs, columns)).join('\n');
}

function tableOf(domain: string, all: readonly OpSpec[], columns: readonly OpColumn[]): string {
  const specs = all.filter((spec) => spec.domain === domain).sort((a, b) => (a.op < b.op ? -1 : 1));
  const row = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const lines = [
    `## ${domain === '' ? 'ai.onnx' : domain}: ${specs.length} operators`,
    '',
    row(['Operator', ...columns.map(({ title }) => title)]),
    row(['---', ...columns.map(() => '---')]),
    ...specs.map((spec) => row([`\`${spec.op}\``, ...columns.map(({ cell }) => cell(spec))])),
  ];
  return `${lines.join('\n')}\n`;
}
