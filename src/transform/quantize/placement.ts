import type { Excluded } from './selection.ts';
import type { Bounds, Refusal, Site, Sites } from './sites.ts';

/** Where 8 bits begin and end in a model. */
export interface Placement {
  /** Sites that run on integers, in graph order. */
  readonly sites: readonly Site[];
  /** Values that get a QuantizeLinear and a DequantizeLinear. */
  readonly values: ReadonlySet<string>;
  /** The site that makes a value, where it is among `sites`. */
  readonly makers: ReadonlyMap<string, Site>;
  /** Values that must share scale and zero point, each value in exactly one group. */
  readonly groups: readonly Group[];
  readonly refused: readonly Refusal[];
}

export interface Group {
  readonly values: readonly string[];
  /** What the Relu and Clip nodes that are to vanish demand of the common range. */
  readonly bounds: Bounds | undefined;
}

/** Reductions of what a convolution gives: worth following even where nothing behind them runs on integers. */
const REDUCING: ReadonlySet<string> = new Set(['MaxPool', 'AveragePool', 'GlobalAveragePool']);

/**
 * Chooses the sites: all convolutions and matrix products that are not excluded, and of the cheap operators those
 * between them, where the numbers are in 8 bits before and wanted in 8 bits behind.
 */
export function place({ index, sites, refused }: Sites, excluded: Excluded): Placement {
  const reasons: Refusal[] = [...refused];
  const candidates = new Set<Site>();
  const chosen = new Set<Site>();
  for (const site of sites) {
    const why = whyFloat(site, excluded);
    if (why !== undefined) reasons.push({ node: site.node, why });
    else if (site.row.kind === 'compute') chosen.add(site);
    else candidates.add(site);
  }
  while (grow(sites, candidates, chosen)) {}
  const included = sites.filter((site) => chosen.has(site));

  const makers = new Map<string, Site>();
  for (const site of included) for (const value of site.outputs) makers.set(value, site);
  const values = new Set<string>();
  for (const site of included) {
    for (const { value } of site.activations) values.add(value);
    if (site.row.output === 'needed') for (const value of site.outputs) values.add(value);
  }
  const soleReaders = (value: string) =>
    index.consumers.get(value)?.length === 1 && !index.outputs.has(value);
  return {
    sites: included,
    values,
    makers,
    groups: groupsOf(included, values, makers, soleReaders),
    refused: reasons,
  };
}

function whyFloat({ node, tail }: Site, excluded: Excluded): string | undefined {
  const named = tail.map((one) => [one, excluded(one, true)] as const).find(([, why]) => why !== undefined);
  return excluded(node) ?? (named && `${named[0].op} behind it is ${named[1]}`);
}

/** Adds candidates with 8 bits on both sides; true where there were any. */
function grow(sites: readonly Site[], candidates: Set<Site>, chosen: Set<Site>): boolean {
  const present = new Set<string>();
  const wanted = new Set<string>();
  const fromInteger = new Set<string>();
  for (const site of chosen) {
    for (const { value } of site.activations) {
      present.add(value);
      wanted.add(value);
    }
    for (const value of site.outputs) {
      present.add(value);
      if (site.row.output === 'needed') fromInteger.add(value);
    }
  }
  const supplied = new Set<Site>();
  for (const site of sites) {
    if (!candidates.has(site) || !site.activations.every(({ value }) => present.has(value))) continue;
    supplied.add(site);
    for (const value of site.outputs) present.add(value);
  }
  let grew = false;
  for (const site of [...supplied].reverse()) {
    const reduces =
      REDUCING.has(site.node.op) && site.activations.every(({ value }) => fromInteger.has(value));
    if (!reduces && !site.outputs.some((value) => wanted.has(value))) continue;
    for (const { value } of site.activations) wanted.add(value);
    chosen.add(site);
    candidates.delete(site);
    grew = true;
  }
  return grew;
}

function groupsOf(
  sites: readonly Site[],
  values: ReadonlySet<string>,
  makers: ReadonlyMap<string, Site>,
  soleReader: (value: string) => boolean,
): Group[] {
  const parent = new Map<string, string>();
  const root = (value: string): string => {
    const up = parent.get(value);
    if (up === undefined) return value;
    const top = root(up);
    parent.set(value, top);
    return top;
  };
  const join = (a: string, b: string) => {
    if (root(a) !== root(b)) parent.set(root(a), root(b));
  };
  for (const { row, activations, outputs } of sites) {
    if (row.kind !== 'carrier') continue;
    for (const value of outputs) join(value, activations[0]!.value);
  }
  // What only a Concat reads loses nothing by its scale, and spares a rounding. But a Relu before it needs its zero point
  // at the lower end, which only a Concat of nothing but such values has.
  for (const { node, activations, constants, outputs } of sites) {
    if (node.op !== 'Concat' || constants.length > 0) continue;
    const cut = activations.map(({ value }) => makers.get(value)?.bounds);
    if (!cut.every((bounds) => bounds?.low === cut[0]?.low && bounds?.high === cut[0]?.high)) continue;
    for (const { value } of activations) {
      if (soleReader(value) && makers.get(value)?.row.outputRange === undefined) join(value, outputs[0]!);
    }
  }
  const byRoot = new Map<string, string[]>();
  for (const value of values) {
    const members = byRoot.get(root(value));
    if (members === undefined) byRoot.set(root(value), [value]);
    else members.push(value);
  }
  return [...byRoot.values()].map((members) => ({ values: members, bounds: commonBounds(members, makers) }));
}

function commonBounds(values: readonly string[], makers: ReadonlyMap<string, Site>): Bounds | undefined {
  let common: Bounds | undefined;
  for (const value of values) {
    const bounds = makers.get(value)?.bounds;
    if (bounds === undefined) continue;
    common =
      common === undefined
        ? bounds
        : { low: Math.max(common.low, bounds.low), high: Math.min(common.high, bounds.high) };
  }
  return common;
}
