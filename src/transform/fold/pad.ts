import {
  attr,
  bypass,
  constantOf,
  floatOf,
  type Graph,
  type GraphIndex,
  indexGraph,
  intsOf,
  type Node,
  soleConsumer,
  stringOf,
  walkGraphs,
} from '../../graph/index.ts';
import { REASSOCIATED, rewriting } from '../rewriting.ts';

/** A Pad with zeros around the image goes into the pads of the Conv that reads it. */
export const foldPad = rewriting({
  name: 'fold-pad',
  summary: 'padding with zeros goes into the convolution after it',
  defaults: {},
  error: REASSOCIATED,
  rewrite({ graph: outer }, notes) {
    let modified = false;
    for (const graph of walkGraphs(outer)) {
      for (const pad of graph.nodes.filter((node) => node.op === 'Pad' && node.domain === '')) {
        const index = indexGraph(graph);
        const conv = soleConsumer(index, pad.outputs[0]!);
        if (conv?.op !== 'Conv' || conv.domain !== '' || conv.inputs[0] !== pad.outputs[0]) continue;
        const why = fold(graph, index, pad, conv);
        if (why !== undefined) {
          notes.refused(pad, why);
          continue;
        }
        bypass(graph, pad, pad.inputs[0]!);
        notes.changed(pad, `folded into the pads of ${conv.name || conv.outputs[0]}`);
        modified = true;
      }
    }
    return modified;
  },
});

/** Widens the pads of the Conv, or says why it cannot. */
function fold(graph: Graph, index: GraphIndex, pad: Node, conv: Node): string | undefined {
  if (stringOf(pad, 'mode', 'constant') !== 'constant') return 'it does not pad with a constant';
  const pads = padsOf(graph, index, pad);
  if (pads === undefined) return 'its pads are not known';
  if (!padsWithZero(graph, index, pad)) return 'it does not pad with zero';
  const rank = pads.length / 2;
  if (pads.some((size, i) => size < 0 || (i % rank < 2 && size !== 0)))
    return 'it crops, or pads samples or channels';
  const automatic = stringOf(conv, 'auto_pad', 'NOTSET');
  if (automatic !== 'NOTSET' && automatic !== 'VALID') return `the Conv pads by itself (${automatic})`;
  const own = automatic === 'VALID' ? undefined : intsOf(conv, 'pads');
  const spatial = rank - 2;
  const sum = Array.from({ length: 2 * spatial }, (_, i) => {
    const side = i < spatial ? 0 : 1;
    return (own?.[i] ?? 0) + pads[side * rank + 2 + (i % spatial)]!;
  });
  conv.attributes.delete('auto_pad');
  conv.attributes.set('pads', attr.ints(sum));
  return undefined;
}

/** The pads of all axes, begins then ends. */
export function padsOf(graph: Graph, index: GraphIndex, pad: Node): number[] | undefined {
  const attribute = intsOf(pad, 'pads') ?? intsOf(pad, 'paddings');
  if (attribute !== undefined) return attribute;
  // Axes of their own (opset 18) would need the rank.
  if ((pad.inputs[3] ?? '') !== '') return undefined;
  return constantOf(graph, pad.inputs[1] ?? '', index)?.numbers();
}

function padsWithZero(graph: Graph, index: GraphIndex, pad: Node): boolean {
  const given = pad.inputs[2] ?? '';
  if (given === '') return floatOf(pad, 'value', 0) === 0;
  const value = constantOf(graph, given, index);
  return value !== undefined && value.dtype !== 'string' && value.bytes().every((byte) => byte === 0);
}
