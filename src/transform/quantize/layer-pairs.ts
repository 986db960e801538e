import { intOf, type Node, soleConsumer } from '../../graph/index.ts';
import type { Site, Sites } from './sites.ts';

/** A value between two layers: made by one, read by the other alone. */
export interface LayerPair {
  readonly maker: Site;
  readonly reader: Site;
  /** Behind the Relu of the maker. */
  readonly value: string;
  readonly channels: number;
  /** Activations and pools between the value and the reader. */
  readonly between: readonly Node[];
  readonly depthwise: boolean;
}

/** Keep the channels apart and in place, and commute with positive factors. Pools are of images alone. */
const ACTIVATIONS: ReadonlySet<string> = new Set(['Relu', 'LeakyRelu', 'PRelu']);
const POOLS: ReadonlySet<string> = new Set(['MaxPool', 'AveragePool', 'GlobalAveragePool']);

/** The pairs in graph order: a layer may read in one and make in the next. */
export function layerPairs({ sites, index }: Sites): LayerPair[] {
  const byNode = new Map(sites.map((site) => [site.node, site]));
  // A weight of an initializer that nothing else reads.
  const free = (value: string) =>
    index.consumers.get(value)?.length === 1 &&
    !index.producers.has(value) &&
    !index.outputs.has(value) &&
    !index.captured.has(value);
  const own = ({ weight, bias }: Site) =>
    weight?.axis !== undefined && free(weight.value) && (bias === undefined || free(bias.value));
  const pairs: LayerPair[] = [];
  for (const maker of sites) {
    if (maker.row.kind !== 'compute' || !own(maker)) continue;
    if (
      maker.bounds !== undefined &&
      !(maker.bounds.low === 0 && maker.bounds.high === Number.POSITIVE_INFINITY)
    )
      continue;
    const value = maker.outputs[0]!;
    const between: Node[] = [];
    let last = value;
    let reader = soleConsumer(index, value);
    while (reader !== undefined && passes(reader, last, maker.node.op === 'Conv')) {
      between.push(reader);
      last = reader.outputs[0]!;
      reader = soleConsumer(index, last);
    }
    const site = reader && byNode.get(reader);
    if (site === undefined || !own(site) || site.row.kind !== 'compute') continue;
    const channels = maker.weight!.tensor.dims[maker.weight!.axis!]!;
    const depthwise = site.node.op === 'Conv' && intOf(site.node, 'group', 1) === channels;
    if ((site.node.op === 'Conv') !== (maker.node.op === 'Conv')) continue;
    if (site.node.op === 'Conv' && !depthwise && intOf(site.node, 'group', 1) !== 1) continue;
    if (site.node.op !== 'Conv' && site.activations[0]!.input !== 0) continue;
    pairs.push({ maker, reader: site, value, between, channels, depthwise });
  }
  return pairs;
}

function passes({ op, domain, inputs }: Node, value: string, image: boolean): boolean {
  if (domain !== '') return false;
  return inputs[0] === value && (ACTIVATIONS.has(op) || (image && POOLS.has(op)));
}

/** Calls with each element of a dense reader's weight and its input channel. */
export function eachInput(
  { node, weight }: Site,
  channels: number,
  visit: (at: number, channel: number) => void,
): void {
  const { dims } = weight!.tensor;
  // Conv [out, in, ...]; Gemm with transB [out, in]; else [in, out].
  const inputAxis = node.op === 'Conv' ? 1 : weight!.axis === 0 ? 1 : 0;
  const inner = dims.slice(inputAxis + 1).reduce((product, dim) => product * dim, 1);
  const size = weight!.tensor.size;
  for (let at = 0; at < size; at++) visit(at, Math.floor(at / inner) % channels);
}
