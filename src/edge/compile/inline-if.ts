import {
  cloneGraph,
  cloneModel,
  constantOf,
  definedNames,
  type Graph,
  graphOf,
  insertBefore,
  type Model,
  makeNode,
  type Node,
  namer,
  readsOf,
  removeNodes,
  subgraphsOf,
} from '../../graph/index.ts';

/** The model with every If whose condition is a constant replaced by the branch that runs, and how many there were. */
export function inlineConditions(model: Model): { readonly model: Model; readonly inlined: number } {
  const result = cloneModel(model);
  const inlined = inlineIn(result.graph, namer(result.graph));
  return { model: inlined > 0 ? result : model, inlined };
}

function inlineIn(graph: Graph, fresh: (stem: string) => string): number {
  let count = 0;
  for (const node of [...graph.nodes]) {
    if (node.op !== 'If' || node.domain !== '') continue;
    const condition = constantOf(graph, node.inputs[0]!);
    if (condition === undefined || condition.size !== 1) continue;
    const branch = graphOf(node, condition.numbers()[0] !== 0 ? 'then_branch' : 'else_branch');
    if (branch === undefined) continue;
    replace(graph, node, cloneGraph(branch), fresh);
    count += 1;
  }
  return count;
}

/** The branch's nodes in place of the If, under names that nothing else bears. */
function replace(graph: Graph, node: Node, branch: Graph, fresh: (stem: string) => string): void {
  const renamed = new Map([...definedNames(branch)].map((name) => [name, fresh(name)]));
  const rename = (name: string) => renamed.get(name) ?? name;
  for (const [name, tensor] of branch.initializers) graph.initializers.set(rename(name), tensor);
  for (const inner of branch.nodes) {
    inner.inputs = inner.inputs.map(rename);
    inner.outputs = inner.outputs.map(rename);
    if (inner.name !== '') inner.name = fresh(inner.name);
    if (readsOf(inner).size > 0)
      for (const nested of subgraphsOf(inner)) renameFree(nested, rename, new Set());
  }
  const ends = branch.outputs.flatMap((output, i) => {
    const name = node.outputs[i] ?? '';
    return name === ''
      ? []
      : [
          makeNode(
            'Identity',
            [rename(output.name)],
            [name],
            {},
            { name: fresh(`${node.name || 'If'}_out`) },
          ),
        ];
  });
  insertBefore(graph, node, ...branch.nodes, ...ends);
  removeNodes(graph, [node]);
}

/** In a graph inside of the branch: the names that it takes from around it. */
function renameFree(graph: Graph, rename: (name: string) => string, hidden: ReadonlySet<string>): void {
  const own = new Set([...hidden, ...definedNames(graph)]);
  const free = (name: string) => (own.has(name) ? name : rename(name));
  for (const node of graph.nodes) {
    node.inputs = node.inputs.map(free);
    for (const nested of subgraphsOf(node)) renameFree(nested, rename, own);
  }
  graph.outputs = graph.outputs.map((output) => ({ ...output, name: free(output.name) }));
}
