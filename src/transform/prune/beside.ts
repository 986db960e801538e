import {
  cloneModel,
  type Model,
  namer,
  removeDead,
  renameValue,
  replaceUses,
  tensorType,
} from '../../graph/index.ts';

/** Two models that read the same inputs as one that gives a value of each: `first` and `second`, float32. */
export function beside(
  one: Model,
  first: string,
  other: Model,
  second: string,
): { model: Model; first: string; second: string } {
  const model = upTo(one, first);
  const guest = upTo(other, second);
  const fresh = namer(model.graph);
  const shared = new Set(guest.graph.inputs.map(({ name }) => name));
  const { graph } = guest;
  let wanted = second;
  guest.graph.outputs = [];
  for (const node of graph.nodes) node.name = fresh(node.name || node.op);
  for (const [name, tensor] of [...graph.initializers]) {
    const renamed = fresh(name);
    replaceUses(graph, name, renamed);
    graph.initializers.delete(name);
    graph.initializers.set(renamed, tensor);
    if (name === second) wanted = renamed;
  }
  for (const name of graph.nodes.flatMap(({ outputs }) => outputs)) {
    if (name === '' || shared.has(name)) continue;
    const renamed = fresh(name);
    renameValue(graph, name, renamed);
    if (name === second) wanted = renamed;
  }
  for (const input of graph.inputs) {
    if (!model.graph.inputs.some(({ name }) => name === input.name)) model.graph.inputs.push(input);
  }
  model.graph.nodes.push(...graph.nodes);
  for (const [name, tensor] of graph.initializers) model.graph.initializers.set(name, tensor);
  model.graph.values.clear();
  model.graph.outputs = [first, wanted].map((name) => ({ name, type: tensorType('float32', undefined) }));
  return { model, first, second: wanted };
}

/** What a value needs, and nothing else. */
function upTo(model: Model, value: string): Model {
  const copy = cloneModel(model);
  copy.graph.outputs = [{ name: value, type: tensorType('float32', undefined) }];
  delete copy.graph.quantization;
  // Defaults of inputs count as weights, and those of two models must not meet.
  copy.graph.inputs = copy.graph.inputs.filter(({ name }) => !copy.graph.initializers.has(name));
  removeDead(copy.graph);
  return copy;
}
