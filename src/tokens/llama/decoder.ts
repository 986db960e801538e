import { attr, DTYPES, type Model, Tensor } from '../../graph/index.ts';
import { decoderLayer, linear, rmsNorm, type Shared } from './layer.ts';
import { Pen } from './pen.ts';
import { rotaryTables } from './rotary.ts';
import type { LlamaWeights } from './weights.ts';

/** The lowest float32: what is added to the score of a token that may not be looked at. */
const NEVER = -3.4028234663852886e38;

/**
 * The decoder as the common exporters write it: input_ids, attention_mask and position_ids (int64), the caches of all layers in
 * and out, logits [batch, seq, vocab]. Plain operators; batch and both lengths are free. The mask is 1 for tokens that count
 * (left padding has 0); a token looks at those before it by their place in the mask, and turns by its position_id.
 */
export function decoder(weights: LlamaWeights): Model {
  const { config } = weights;
  const pen = new Pen();
  const ids = pen.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  const shared = sharedBy(pen, weights, ids);
  let x = embed(pen, weights, ids);
  for (const [n, layer] of weights.layers.entries()) x = decoderLayer(pen, n, x, layer, shared);
  head(pen, weights, x, 'logits');
  // Outputs in the order of the exporters: logits first.
  pen.graph.outputs.unshift(pen.graph.outputs.pop()!);
  return pen.model('decoder', { context_length: String(config.positions) });
}

/** Rows of the embedding, [batch, seq, dim]. */
export function embed(pen: Pen, { config, embedding }: LlamaWeights, ids: string): string {
  const table = pen.weight('model.embed_tokens.weight', () =>
    Tensor.float32([config.vocab, config.dim], embedding),
  );
  return pen.op('/model/embed_tokens/Gather', 'Gather', [table, ids]);
}

/** The last norm and the classifier: logits [batch, seq, vocab] under the name `to`. */
export function head(pen: Pen, { config, norm, classifier }: LlamaWeights, x: string, to: string): void {
  const { dim, vocab } = config;
  const normal = rmsNorm(pen, '/model/norm', x, norm, 'model.norm.weight');
  linear(pen, '/lm_head', normal, classifier, [vocab, dim], 'lm_head.weight', to);
  pen.output(to, 'float32', ['batch_size', 'sequence_length', vocab]);
}

/** Adds the inputs attention_mask and position_ids, and what all layers read of them. `tokens`: [batch, seq, ..]. */
export function sharedBy(pen: Pen, { config }: LlamaWeights, tokens: string): Shared {
  const mask = pen.input('attention_mask', 'int64', ['batch_size', 'total_sequence_length']);
  const positions = pen.input('position_ids', 'int64', ['batch_size', 'sequence_length']);
  const tables = rotaryTables(config);
  const angles = (which: 'cos' | 'sin') => {
    const table = pen.weight(`model.rotary.${which}`, () => tables[which]);
    const rows = pen.op(`/model/rotary/${which}/Gather`, 'Gather', [table, positions]);
    return pen.op(`/model/rotary/${which}/Unsqueeze`, 'Unsqueeze', [rows, pen.ints(1)]);
  };
  const scalar = (of: string, name: string) => {
    const dim = pen.op(`/model/${name}/Shape`, 'Shape', [of], { start: attr.int(1), end: attr.int(2) });
    return { dim, value: pen.op(`/model/${name}/Squeeze`, 'Squeeze', [dim]) };
  };
  const seq = scalar(tokens, 'seq');
  const total = scalar(mask, 'total');
  const first = pen.op('/model/mask/Sub', 'Sub', [total.value, seq.value]);
  const columns = pen.op('/model/mask/Range', 'Range', [pen.int(0), total.value, pen.int(1)]);
  const rows = pen.op('/model/mask/Range_1', 'Range', [first, total.value, pen.int(1)]);
  const below = pen.op('/model/mask/Unsqueeze', 'Unsqueeze', [rows, pen.ints(1)]);
  const before = pen.op('/model/mask/LessOrEqual', 'LessOrEqual', [columns, below]);
  const counts = pen.op('/model/mask/Cast', 'Cast', [mask], { to: attr.int(DTYPES.bool.onnx) });
  const wide = pen.op('/model/mask/Unsqueeze_1', 'Unsqueeze', [counts, pen.ints(1, 2)]);
  const allowed = pen.op('/model/mask/And', 'And', [before, wide]);
  const bias = pen.op('/model/mask/Where', 'Where', [allowed, pen.float(0), pen.float(NEVER)]);
  const shape = (name: string, heads: number) =>
    pen.op(`/model/${name}/Concat`, 'Concat', [pen.ints(0, heads, -1), total.dim], { axis: attr.int(0) });
  return {
    config,
    cos: angles('cos'),
    sin: angles('sin'),
    bias,
    byHead: shape('by_head', config.heads),
    byGroup: shape('by_group', config.kvHeads),
  };
}
