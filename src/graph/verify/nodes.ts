import { ATTRIBUTE_TYPE_NUMBERS } from '../attributes.ts';
import type { Attribute, Graph, Node } from '../model.ts';
import { labelOf } from '../scope.ts';
import type { Found, Rule } from './rule.ts';

type Kind = Attribute['type'];

/** Types of attributes that bear the same name wherever ai.onnx uses it (onnx/defs; older opsets included). */
const KNOWN: ReadonlyMap<string, readonly Kind[]> = new Map(
  Object.entries({
    int: 'axis group keepdims transA transB ceil_mode count_include_pad hidden_size blocksize allowzero noop_with_empty_axes num_outputs saturate num_scan_inputs exclusive reverse largest sorted storage_order',
    ints: 'axes kernel_shape pads strides dilations perm output_padding',
    float: 'epsilon alpha beta gamma momentum lambd',
    string: 'auto_pad equation coordinate_transformation_mode nearest_mode reduction approximate',
    graph: 'then_branch else_branch body',
  } satisfies Partial<Record<Kind, string>>).flatMap(([kind, names]) =>
    names.split(' ').map((name) => [name, [kind as Kind]] as const),
  ),
);

/** Rules about nodes: their opsets, attributes and nested graphs. */
export const NODE_RULES = {
  'opsets-sane': {
    what: 'A model imports at least one operator set; versions are positive.',
    *model({ opsets, irVersion }) {
      if (!Number.isInteger(irVersion) || irVersion < 1) yield { message: `IR version ${irVersion}` };
      if (irVersion >= 3 && opsets.size === 0) yield { message: 'no operator set is imported' };
      for (const [domain, version] of opsets) {
        if (!Number.isInteger(version) || version < 1)
          yield { message: `version ${version} of operator set "${domain}"` };
      }
    },
  },
  'opset-imported': {
    what: 'The operator set of each node is imported, by the model or by the function around it.',
    *scope(scope, model) {
      if (model.irVersion < 3) return;
      for (const node of scope.nodes) {
        if (scope.opsets.has(node.domain)) continue;
        const domain = node.domain === '' ? 'ai.onnx' : node.domain;
        yield { message: `${labelOf(node)} (${node.op}) needs operator set ${domain}`, node: labelOf(node) };
      }
    },
  },
  'attributes-typed': {
    what: 'Attributes have names, and those that ai.onnx gives one type everywhere have it; only functions refer to attributes.',
    *scope(scope) {
      const inFunction = isInFunction(scope);
      for (const node of scope.nodes) {
        for (const [name, attribute] of node.attributes) {
          const bad = attributeFault(node, name, attribute, inFunction);
          if (bad !== undefined)
            yield { message: `${labelOf(node)} (${node.op}): ${bad}`, node: labelOf(node) };
        }
      }
    },
  },
  'branches-fit': {
    what: 'If has two graphs without inputs that answer as many values as the node; Loop and Scan have a body that fits.',
    *scope(scope) {
      for (const node of scope.nodes) if (node.domain === '') yield* branchesFit(node);
    },
  },
} as const satisfies Record<string, Rule>;

function isInFunction(scope: {
  fn?: unknown;
  outer?: { scope: Parameters<typeof isInFunction>[0] };
}): boolean {
  return scope.fn !== undefined || (scope.outer !== undefined && isInFunction(scope.outer.scope));
}

function attributeFault(
  node: Node,
  name: string,
  attribute: Attribute,
  inFunction: boolean,
): string | undefined {
  if (name === '') return 'an attribute has no name';
  if (attribute.type === 'reference' && !inFunction)
    return `attribute ${name} refers to one of a function, outside of functions`;
  const wanted = node.domain === '' ? KNOWN.get(name) : undefined;
  if (wanted === undefined) return undefined;
  const numbers: readonly number[] = wanted.map(
    (kind) => ATTRIBUTE_TYPE_NUMBERS[kind as keyof typeof ATTRIBUTE_TYPE_NUMBERS],
  );
  const fits =
    attribute.type === 'reference'
      ? attribute.refType === 0 || numbers.includes(attribute.refType)
      : wanted.includes(attribute.type);
  return fits ? undefined : `attribute ${name} is ${attribute.type}, not ${wanted.join(' or ')}`;
}

function* branchesFit(node: Node): Generator<Found> {
  const said = (what: string): Found => ({
    message: `${labelOf(node)} (${node.op}): ${what}`,
    node: labelOf(node),
  });
  const need = (name: string): Graph | undefined => {
    const attribute = node.attributes.get(name);
    return attribute?.type === 'graph' ? attribute.value : undefined;
  };
  if (node.op === 'If') {
    for (const name of ['then_branch', 'else_branch']) {
      const graph = need(name);
      if (graph === undefined) yield said(`no graph ${name}`);
      else if (graph.inputs.length > 0) yield said(`${name} has inputs`);
      else if (graph.outputs.length !== node.outputs.length)
        yield said(`${name} answers ${graph.outputs.length} values, the node ${node.outputs.length}`);
    }
  } else if (node.op === 'Loop' || node.op === 'Scan') {
    const body = need('body');
    if (body === undefined) yield said('no graph body');
    else if (node.op === 'Loop' && body.inputs.length !== node.inputs.length)
      yield said(`the body takes ${body.inputs.length} values, the node ${node.inputs.length}`);
    else if (node.op === 'Loop' && body.outputs.length !== node.outputs.length + 1)
      yield said(
        `the body answers ${body.outputs.length} values, the node ${node.outputs.length} (one less)`,
      );
  }
}
