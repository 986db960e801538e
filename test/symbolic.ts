import { Random } from '../src/base/index.ts';
import {
  attr,
  type Graph,
  makeGraph,
  makeNode,
  type Node,
  subgraphsOf,
  Tensor,
  tensorType,
} from '../src/graph/index.ts';

/**
 * What each output of a graph means, computed with symbols in place of numbers: equal meanings get equal numbers from
 * the same `Meanings`. Identity means what it reads; every other node means its op applied to its operands.
 */
export class Meanings {
  readonly #known = new Map<string, number>();

  ofOutputs(graph: Graph, outer: ReadonlyMap<string, number> = new Map()): Map<string, number> {
    const env = this.#run(graph, outer);
    return new Map(
      graph.outputs.map(({ name }) => {
        const meaning = env.get(name);
        if (meaning === undefined) throw new Error(`output ${name} means nothing`);
        return [name, meaning];
      }),
    );
  }

  #run(graph: Graph, outer: ReadonlyMap<string, number>): Map<string, number> {
    const env = new Map(outer);
    for (const { name } of graph.inputs) env.set(name, this.#number(`input ${name}`));
    for (const name of graph.initializers.keys()) env.set(name, this.#number(`weight ${name}`));
    for (const node of graph.nodes) {
      const operands = node.inputs.map((name) => {
        const meaning = name === '' ? -1 : env.get(name);
        if (meaning === undefined) throw new Error(`${node.op} reads ${name}, which means nothing yet`);
        return meaning;
      });
      const inner = subgraphsOf(node).map((nested) => [...this.ofOutputs(nested, env).values()]);
      for (const [i, name] of node.outputs.entries()) {
        const whole = `${node.op} ${i} ${JSON.stringify(operands)} ${JSON.stringify(inner)}`;
        env.set(name, node.op === 'Identity' ? operands[0]! : this.#number(whole));
      }
    }
    return env;
  }

  #number(expression: string): number {
    const known = this.#known.get(expression) ?? this.#known.size;
    this.#known.set(expression, known);
    return known;
  }
}

const type = tensorType('float32', [2]);

/**
 * A sound random graph: chains, joins, several outputs, dead ends, identities, unused weights, and Ifs whose branches
 * read outer values. Not meant to run: the shapes are not seen to.
 */
export function randomGraph(seed: number, size = 12): Graph {
  const random = new Random(seed);
  const inputs = ['x', 'y'].slice(0, 1 + random.below(2));
  const weights = Array.from({ length: random.below(4) }, (_, i) => `w${i}`);
  const seen = [...inputs, ...weights];
  const pick = (from: readonly string[]) => from[random.below(from.length)]!;
  const nodes: Node[] = [];
  for (let i = 0; i < size; i++) {
    const name = random.below(3) > 0 ? '' : `n${random.below(size)}`;
    const kind = random.below(8);
    const outputs = kind === 0 ? [`v${i}`, `v${i}b`] : [`v${i}`];
    if (kind === 0) nodes.push(makeNode('Split', [pick(seen)], outputs, {}, { name }));
    else if (kind <= 2) nodes.push(makeNode('Identity', [pick(seen)], outputs, {}, { name }));
    else if (kind === 3)
      nodes.push(
        makeNode(
          'If',
          [pick(seen)],
          outputs,
          { then_branch: attr.graph(branch(`${i}t`, seen)), else_branch: attr.graph(branch(`${i}e`, seen)) },
          { name },
        ),
      );
    else if (kind <= 5) nodes.push(makeNode('Relu', [pick(seen)], outputs, {}, { name }));
    else
      nodes.push(
        makeNode(
          kind === 6 ? 'Clip' : 'Add',
          [pick(seen), kind === 6 ? '' : pick(seen), ...(kind === 6 ? [pick(seen)] : [])],
          outputs,
          {},
          { name },
        ),
      );
    seen.push(...outputs);
  }
  function branch(stem: string, outer: readonly string[]): Graph {
    const inner = [makeNode('Add', [pick(outer), pick(outer)], [`b${stem}`])];
    if (random.below(2) === 0) inner.push(makeNode('Identity', [`b${stem}`], [`c${stem}`]));
    if (random.below(3) === 0) inner.push(makeNode('Neg', [pick(outer)], [`d${stem}`]));
    if (random.below(4) === 0) {
      const deep = (end: string) =>
        makeGraph({
          inputs: [],
          nodes: [makeNode('Mul', [pick(outer), `b${stem}`], [`m${end}`])],
          outputs: [{ name: `m${end}`, type }],
        });
      const branches = {
        then_branch: attr.graph(deep(`${stem}t`)),
        else_branch: attr.graph(deep(`${stem}e`)),
      };
      inner.push(makeNode('If', [pick(outer)], [`f${stem}`], branches));
    }
    const made = inner.flatMap((node) => node.outputs);
    return makeGraph({
      name: `branch${stem}`,
      inputs: [],
      nodes: inner,
      outputs: [{ name: pick(made), type }],
    });
  }
  const made = nodes.flatMap((node) => node.outputs);
  const ends = new Set(Array.from({ length: 1 + random.below(3) }, () => pick(made)));
  return makeGraph({
    inputs: inputs.map((name) => ({ name, type })),
    outputs: [...ends].map((name) => ({ name, type })),
    nodes,
    initializers: new Map(weights.map((name) => [name, Tensor.float32([2], [1, 2])])),
    values: new Map(made.filter(() => random.below(2) === 0).map((name) => [name, { name, type }])),
  });
}
