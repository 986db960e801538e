import type { Graph, ValueInfo } from '../model.ts';
import { labelOf } from '../scope.ts';
import type { Found, Rule } from './rule.ts';
import { isVisible, type Scope } from './scopes.ts';

/** Rules about names: who defines what, and who may read it. */
export const VALUE_RULES = {
  'defined-once': {
    what: 'Each value is defined once (static single assignment), and a nested graph hides no outer name.',
    *scope(scope) {
      const seen = new Set<string>();
      for (const value of scope.inputs) {
        if (value !== '' && seen.has(value)) yield { message: `two inputs are named "${value}"`, value };
        seen.add(value);
      }
      for (const value of scope.graph?.initializers.keys() ?? []) seen.add(value);
      for (const { name: value } of scope.graph?.sparseInitializers ?? []) {
        if (scope.graph?.initializers.has(value))
          yield { message: `two initializers are named "${value}"`, value };
        seen.add(value);
      }
      for (const [at, node] of scope.nodes.entries()) {
        for (const value of node.outputs) {
          if (value === '') continue;
          const hides = scope.outer !== undefined && isVisible(scope, value, 0) && !seen.has(value);
          if (seen.has(value) || hides) {
            const how = hides ? 'hides a value of the graph around it' : 'is defined twice';
            yield { message: `"${value}", made by node ${at}, ${how}`, node: labelOf(node), value };
          }
          seen.add(value);
        }
      }
    },
  },
  'inputs-defined': {
    what: 'What a node reads is an input, an initializer, the output of an earlier node, or a name of a graph around it.',
    *scope(scope) {
      for (const [at, node] of scope.nodes.entries()) {
        for (const value of node.inputs) {
          if (value === '' || isVisible(scope, value, at)) continue;
          const why = scope.definedAt.has(value) ? 'before a later node makes it' : 'which nothing defines';
          yield { message: `${labelOf(node)} reads "${value}", ${why}`, node: labelOf(node), value };
        }
      }
    },
  },
  'outputs-defined': {
    what: 'Each output of a graph or function is defined in it, or (nested graphs) around it.',
    *scope(scope) {
      for (const value of scope.outputs) {
        if (value !== '' && !isVisible(scope, value, scope.nodes.length)) {
          yield { message: `output "${value}" is defined by nothing`, value };
        }
      }
    },
  },
  'names-given': {
    what: 'Inputs, outputs and initializers have names; a node has an operator and reads or makes something.',
    *scope(scope) {
      if (scope.inputs.includes('')) yield { message: 'an input has no name' };
      if (scope.outputs.includes('')) yield { message: 'an output has no name' };
      if (scope.graph?.initializers.has('')) yield { message: 'an initializer has no name' };
      if (scope.graph?.sparseInitializers.some(({ name }) => name === ''))
        yield { message: 'a sparse initializer has no name' };
      for (const [at, node] of scope.nodes.entries()) {
        if (node.op === '') yield { message: `node ${at} has no operator`, node: labelOf(node) };
        if (node.inputs.length + node.outputs.length === 0)
          yield { message: `node ${at} (${node.op}) has neither inputs nor outputs`, node: labelOf(node) };
      }
    },
  },
  'ports-typed': {
    what: 'The inputs and outputs of the main graph say their types.',
    *model({ graph }) {
      for (const [side, infos] of [['input', graph.inputs] as const, ['output', graph.outputs] as const]) {
        for (const { name: value, type } of infos)
          if (type.kind === 'unknown') yield { message: `${side} "${value}" has no type`, value };
      }
    },
  },
  'defaults-fit': {
    what: 'An initializer that is also an input has the type that the input says.',
    *scope({ graph }) {
      for (const input of graph?.inputs ?? []) yield* defaultFits(graph as Graph, input);
    },
  },
  'sparse-consistent': {
    what: 'A sparse tensor has one int64 index (or one row of indices) for each value, inside of its shape.',
    *scope(scope) {
      yield* sparseFits(scope);
    },
  },
} as const satisfies Record<string, Rule>;

function* defaultFits(graph: Graph, input: ValueInfo): Generator<Found> {
  const tensor = graph.initializers.get(input.name);
  if (tensor === undefined || input.type.kind !== 'tensor') return;
  const { dtype, shape } = input.type;
  const value = input.name;
  if (tensor.dtype !== dtype)
    yield { message: `input "${value}" is ${dtype}, its default ${tensor.dtype}`, value };
  if (shape === undefined) return;
  const fits =
    shape.length === tensor.dims.length &&
    shape.every((dim, axis) => typeof dim !== 'number' || dim === tensor.dims[axis]);
  if (!fits) yield { message: `input "${value}" is [${shape}], its default [${tensor.dims}]`, value };
}

function* sparseFits({ graph }: Scope): Generator<Found> {
  for (const { name: value, dims, values, indices } of graph?.sparseInitializers ?? []) {
    const count = values.dims[0] ?? 0;
    const rowsFit =
      indices.dims.length === 1 || (indices.dims.length === 2 && indices.dims[1] === dims.length);
    if (values.dims.length !== 1 || indices.dtype !== 'int64' || indices.dims[0] !== count || !rowsFit) {
      const seen = `values [${values.dims}], indices ${indices.dtype}[${indices.dims}], shape [${dims}]`;
      yield { message: `sparse initializer "${value}": ${seen}`, value };
    }
  }
}
