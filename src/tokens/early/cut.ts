import { fail } from '../../base/index.ts';
import {
  cloneModel,
  type Model,
  makeNode,
  type Node,
  namer,
  readsOf,
  removeDead,
  sortNodes,
  Tensor,
  tensorType,
} from '../../graph/index.ts';
import { type CacheForm, cacheForm } from '../cache-form.ts';
import { portsOfModel } from '../model-ports.ts';
import type { TokenPorts } from '../reader.ts';
import { decoderLayers } from './layers.ts';

/** The input and output of a stage that hold hidden states, and the input that says which of them are only copied. */
export const HIDDEN_IN = 'hidden_in';
export const HIDDEN = 'hidden';
export const COPIED = 'copied';
/** The weights of an exit's map: [dim, dim] turned, as MatMul has it on its right, and [dim]. */
export const MAP_WEIGHT = 'exit.map.weight';
export const MAP_BIAS = 'exit.map.bias';

/**
 * How the layers behind an exit come to the keys and values of a token that left there. 'exact': they read it later, together with
 * the token that goes on (its keys and values are those of the whole model). 'copy': its hidden state is handed on unchanged, and
 * each layer makes keys and values of that (CALM: Schuster et al. 2022, section 3.4).
 */
export type Fill = 'exact' | 'copy';

/** y = W x + b before the last norm and the classifier, for an exit. */
export interface ExitMap {
  /** [dim, dim], row-major. */
  readonly weight: Float32Array;
  /** [dim] */
  readonly bias: Float32Array;
}

export interface CutDecoderOptions {
  /** Layers after which a token may leave: ascending, from 1, below the number of layers. */
  readonly exits: readonly number[];
  /** One for each exit. Default: none, the hidden state goes to the classifier as it is. */
  readonly maps?: readonly ExitMap[];
  /** Default 'exact'. */
  readonly fill?: Fill;
}

/** A decoder in pieces, each a model with its own caches. */
export interface EarlyDecoder {
  /**
   * Reads what the whole model reads (the later ones `hidden_in` beside it) and gives `hidden` [batch, seq, dim] and the `logits`
   * [batch, 1, vocabulary] after the last token.
   */
  readonly stages: readonly Model[];
  /** Layers that are behind each stage, the last being all. */
  readonly depths: readonly number[];
  readonly fill: Fill;
  readonly dim: number;
}

/** Cuts a decoder after some of its layers. Throws NOT_GENERATIVE, USAGE_BAD_OPTION. */
export async function cutDecoder(model: Model, options: CutDecoderOptions): Promise<EarlyDecoder> {
  const { exits, maps, fill = 'exact' } = options;
  const { hidden, dim } = await decoderLayers(model);
  const layers = hidden.length - 1;
  checkExits(exits, layers);
  if (maps !== undefined && maps.length !== exits.length) {
    throw fail('USAGE_BAD_OPTION', `${maps.length} maps for ${exits.length} exits`);
  }
  const depths = [...exits, layers];
  const stages: Model[] = [];
  for (const [i, to] of depths.entries()) {
    const from = depths[i - 1] ?? 0;
    stages.push(await stage(model, hidden, { from, to, dim, map: maps?.[i], fill }));
  }
  return { stages, depths, fill, dim };
}

/** How a piece is fed: the ports of the whole form that it has kept. Throws NOT_GENERATIVE. */
export async function stageForm(
  piece: Model,
): Promise<TokenPorts & Pick<CacheForm, 'carry' | 'axis' | 'logits'>> {
  const { inputs, outputs } = await portsOfModel(piece);
  const own = inputs.filter(({ name }) => name !== HIDDEN_IN && name !== COPIED);
  // A later piece may not read the tokens themselves; the form wants them told.
  const told = own.some(({ name }) => name === 'input_ids');
  const ids = { name: 'input_ids', dtype: 'int64', shape: undefined } as const;
  const form = cacheForm(told ? own : [ids, ...own], outputs);
  return { ...form, ids: told ? form.ids : undefined };
}

function checkExits(exits: readonly number[], layers: number): void {
  for (const [i, exit] of exits.entries()) {
    if (Number.isInteger(exit) && exit > (exits[i - 1] ?? 0) && exit < layers) continue;
    throw fail(
      'USAGE_BAD_OPTION',
      `exits after the layers ${exits.join(', ')}; they ascend from 1 to ${layers - 1}`,
    );
  }
  if (exits.length === 0) throw fail('USAGE_BAD_OPTION', 'at least one exit is needed');
}

interface Piece {
  readonly from: number;
  readonly to: number;
  readonly dim: number;
  readonly map: ExitMap | undefined;
  readonly fill: Fill;
}

async function stage(model: Model, hidden: readonly string[], piece: Piece): Promise<Model> {
  const result = cloneModel(model);
  const { graph } = result;
  const ports = await portsOfModel(model);
  const { carry } = cacheForm(ports.inputs, ports.outputs);
  const name = namer(graph);
  const { from, to, dim, fill } = piece;
  const rows = ['batch_size', 'sequence_length', dim];
  if (from > 0) {
    graph.inputs.push({ name: HIDDEN_IN, type: tensorType('float32', rows) });
    rewire(graph.nodes, hidden[from]!, HIDDEN_IN);
    if (fill === 'copy') {
      graph.inputs.push({ name: COPIED, type: tensorType('bool', ['batch_size', 'sequence_length', 1]) });
      for (const value of hidden.slice(from + 1, to + 1)) keepCopied(graph.nodes, value, name);
    }
  }
  const end = hidden[to]!;
  const first = hidden.at(-1)!;
  const made = head(result, name, piece, `${end}`);
  // What comes after the last layer reads the state of this depth instead.
  rewire(
    graph.nodes.filter((node) => !made.includes(node)),
    first,
    made.at(-1)!.outputs[0]!,
  );
  graph.nodes.push(...made, makeNode('Identity', [end], [HIDDEN], {}, { name: name('hidden') }));
  sortNodes(graph);
  const logits = graph.outputs.find((output) => output.name === 'logits')!;
  const own = cachesBetween(graph.nodes, end, from > 0 ? HIDDEN_IN : undefined, carry);
  graph.outputs = [
    logits,
    { name: HIDDEN, type: tensorType('float32', rows) },
    ...graph.outputs.filter((output) => own.has(output.name)),
  ];
  // The shapes that the file declares for values were those of the whole.
  graph.values.clear();
  removeDead(graph);
  const read = new Set(graph.nodes.flatMap((node) => [...readsOf(node)]));
  graph.inputs = graph.inputs.filter((input) => read.has(input.name) && !graph.initializers.has(input.name));
  return result;
}

/** Nodes that take the last token's row and map it, ready for the norm and the classifier. */
function head(model: Model, name: (stem: string) => string, { dim, map }: Piece, end: string): Node[] {
  const { graph } = model;
  const constant = (stem: string, tensor: Tensor) => {
    const own = name(stem);
    graph.initializers.set(own, tensor);
    return own;
  };
  const node = (op: string, inputs: string[], attributes = {}) => {
    const own = name(`exit/${op}`);
    return makeNode(op, inputs, [name(`${own}_output_0`)], attributes, { name: own });
  };
  const last = node('Gather', [end, constant('exit.last', Tensor.int64([1], [-1]))], {
    axis: { type: 'int', value: 1 },
  });
  if (map === undefined) return [last];
  const turned = new Float32Array(dim * dim);
  for (let row = 0; row < dim; row++) {
    for (let column = 0; column < dim; column++) turned[column * dim + row] = map.weight[row * dim + column]!;
  }
  const weight = constant(MAP_WEIGHT, Tensor.float32([dim, dim], turned));
  const product = node('MatMul', [last.outputs[0]!, weight]);
  const sum = node('Add', [product.outputs[0]!, constant(MAP_BIAS, Tensor.float32([dim], map.bias))]);
  return [last, product, sum];
}

/** Lets rows that are copied pass a layer unchanged: whatever reads `value` reads what came in, where it is a copy. */
function keepCopied(nodes: Node[], value: string, name: (stem: string) => string): void {
  const maker = nodes.find((node) => node.outputs.includes(value));
  if (maker === undefined) throw fail('INTERNAL', `nothing makes ${value}`);
  const made = name(`${value}_made`);
  maker.outputs[maker.outputs.indexOf(value)] = made;
  nodes.splice(
    nodes.indexOf(maker) + 1,
    0,
    makeNode('Where', [COPIED, HIDDEN_IN, made], [value], {}, { name: name('keep_copied') }),
  );
}

/** Outputs of the caches that are made on the way to `end`. */
function cachesBetween(
  nodes: readonly Node[],
  end: string,
  stop: string | undefined,
  carry: Readonly<Record<string, string>>,
): Set<string> {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const seen = new Set<string>();
  const todo = [end];
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (seen.has(name) || name === stop) continue;
    seen.add(name);
    const maker = makers.get(name);
    if (maker !== undefined) todo.push(...readsOf(maker));
  }
  return new Set(Object.entries(carry).flatMap(([input, output]) => (seen.has(input) ? [output] : [])));
}

function rewire(nodes: readonly Node[], from: string, to: string): void {
  for (const node of nodes) {
    for (const [i, input] of node.inputs.entries()) if (input === from) node.inputs[i] = to;
  }
}
