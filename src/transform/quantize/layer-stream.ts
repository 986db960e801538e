import { fail, type Progress, SILENT } from '../../base/index.ts';
import { bind, type Dataset } from '../../data/index.ts';
import {
  cloneModel,
  type Model,
  makeGraph,
  makeNode,
  type Node,
  readsOf,
  type Tensor,
  tensorType,
  topologicalOrder,
  type ValueInfo,
  valueOfConstant,
} from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { spreadIndices } from './calibrate/spread.ts';
import { Gram } from './gram.ts';
import type { LinearLayer } from './linear-layers.ts';

export interface StreamOptions {
  /** Samples per run, and at most so many samples in all, evenly spread. */
  readonly batch: number;
  readonly samples: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** What a layer reads, over all samples. */
export interface Activations {
  /** X^T X [k, k], X the activations as rows. */
  readonly gram: Float64Array;
  /** Sum of the rows [k]. */
  readonly sum: Float64Array;
  readonly rows: number;
}

/** What takes the place of a layer's weight. */
export interface Replacement {
  /** Of the layer's own shape. */
  readonly weight: Tensor;
  /** Added to what the layer gives: float32 [n]. */
  readonly shift?: Tensor;
}

/** Sees a layer with its activations; what it returns takes the place of the weight. */
export type LayerVisitor = (
  layer: LinearLayer,
  activations: Activations,
  gram: Gram,
) => Promise<Replacement | undefined> | Replacement | undefined;

/**
 * Shows every layer the activations that it reads, in the order of the graph. The graph is run piece by piece, each once: what the
 * next piece needs of the samples is kept, the rest is dropped, and a weight that a visitor replaced is already in place when what lies
 * behind it is run. `layers` belong to `model`, whose nodes have unique names; the model is left alone. Memory holds the values
 * between two layers for all samples. Throws DATA_EMPTY, and what binding and running throw.
 */
export async function streamLayers(
  model: Model,
  layers: readonly LinearLayer[],
  dataset: Dataset,
  visit: LayerVisitor,
  { batch, samples, progress = SILENT, signal }: StreamOptions,
): Promise<void> {
  const stream = new Stream(model);
  await stream.feed(dataset, batch, samples, signal);
  const byName = new Map(layers.map((layer) => [layer.node.name, layer]));
  const waiting = new Map<string, number>();
  for (const { input } of layers) waiting.set(input, (waiting.get(input) ?? 0) + 1);
  const stage = progress.stage('layers', layers.length);
  const gram = await Gram.open();
  const known = new Map<string, Activations>();
  try {
    for (const [position, node] of stream.nodes.entries()) {
      const layer = byName.get(node.name);
      if (layer === undefined) continue;
      signal?.throwIfAborted();
      let activations = known.get(layer.input);
      if (activations === undefined) {
        await stream.advance(position, signal);
        activations = await gram.of(stream.valuesOf(layer.input), layer.k, signal);
        known.set(layer.input, activations);
      }
      const replaced = await visit(layer, activations, gram);
      if (replaced !== undefined) stream.replace(node, replaced);
      const left = waiting.get(layer.input)! - 1;
      waiting.set(layer.input, left);
      if (left === 0) known.delete(layer.input);
      stage.advance(1, node.name);
    }
  } finally {
    stage.end();
    await gram.dispose();
  }
}

/** A graph on its way through: what lies before `#done` has been run for every batch. */
class Stream {
  readonly nodes: readonly Node[];
  readonly #model: Model;
  readonly #constants = new Map<string, Tensor>();
  /** What stands behind a node whose outputs are shifted. */
  readonly #added = new Map<Node, Node>();
  readonly #lastRead = new Map<string, number>();
  /** Values of each batch that are still to be read. */
  #values = new Map<string, Tensor[]>();
  #batches = 0;
  #done = 0;

  constructor(model: Model) {
    this.#model = cloneModel(model);
    const { graph } = this.#model;
    for (const [name, tensor] of graph.initializers) this.#constants.set(name, tensor);
    this.nodes = topologicalOrder(graph).filter((node) => {
      const value = valueOfConstant(node);
      if (value !== undefined) this.#constants.set(node.outputs[0]!, value);
      return value === undefined;
    });
    this.nodes.forEach((node, i) => {
      for (const name of readsOf(node)) this.#lastRead.set(name, i);
    });
  }

  async feed(
    dataset: Dataset,
    batch: number,
    samples: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const ports = this.#model.graph.inputs.flatMap(({ name, type }) =>
      type.kind !== 'tensor' || this.#constants.has(name) ? [] : [{ ...type, name }],
    );
    for (const { name } of ports) this.#values.set(name, []);
    const indices = spreadIndices(dataset.size, samples);
    for await (const { feeds } of bind(dataset, ports, { batch, indices, signal })) {
      for (const { name } of ports) this.#values.get(name)!.push(feeds[name]!);
      this.#batches++;
    }
    if (this.#batches === 0) throw fail('DATA_EMPTY', `${dataset.name} has no samples to calibrate with`);
  }

  valuesOf(name: string): readonly Tensor[] {
    return this.#values.get(name)!;
  }

  replace(node: Node, { weight, shift }: Replacement): void {
    // Under a name of its own: others may read the old one.
    const name = `${node.inputs[1]} replaced in ${node.name}`;
    this.#constants.set(name, weight);
    node.inputs[1] = name;
    if (shift === undefined) return;
    const [row, raw] = [`${name}: shift`, `${name}: raw`];
    this.#constants.set(row, shift);
    this.#added.set(node, makeNode('Add', [raw, row], [...node.outputs]));
    node.outputs = [raw];
  }

  /** Runs the nodes before `position` that have not been run. */
  async advance(position: number, signal: AbortSignal | undefined): Promise<void> {
    const piece = this.nodes.slice(this.#done, position).flatMap((node) => {
      const added = this.#added.get(node);
      return added === undefined ? [node] : [node, added];
    });
    const made = piece.flatMap(({ outputs }) => outputs.filter((name) => this.#isRead(name, position)));
    if (made.length > 0) await this.#run(piece, made, signal);
    for (const name of [...this.#values.keys()]) {
      if (!this.#isRead(name, position)) this.#values.delete(name);
    }
    this.#done = position;
  }

  #isRead(name: string, from: number): boolean {
    return name !== '' && (this.#lastRead.get(name) ?? -1) >= from;
  }

  async #run(
    nodes: readonly Node[],
    outputs: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const reads = new Set(nodes.flatMap((node) => [...readsOf(node)]));
    const inputs = [...this.#values.keys()].filter((name) => reads.has(name));
    const initializers = new Map([...this.#constants].filter(([name]) => reads.has(name)));
    const { graph } = this.#model;
    const piece = makeGraph({
      inputs: inputs.map((name) => {
        const { dtype, dims } = this.#values.get(name)![0]!;
        return {
          name,
          type: tensorType(
            dtype,
            dims.map(() => null),
          ),
        };
      }),
      outputs: outputs.map((name): ValueInfo => ({ name, type: { kind: 'unknown' } })),
      nodes: [...nodes],
      initializers,
      sparseInitializers: graph.sparseInitializers.filter(({ name }) => reads.has(name)),
    });
    const session = await openSession({ ...this.#model, graph: piece });
    try {
      const fetched = outputs.map((): Tensor[] => []);
      for (let batch = 0; batch < this.#batches; batch++) {
        const feeds = Object.fromEntries(inputs.map((name) => [name, this.#values.get(name)![batch]!]));
        const result = await session.run(feeds, { signal });
        for (const [i, name] of outputs.entries()) fetched[i]!.push(result[name]!);
      }
      for (const [i, name] of outputs.entries()) this.#values.set(name, fetched[i]!);
    } finally {
      await session.dispose();
    }
  }
}
