import type { DType } from './dtype.ts';
import type { Tensor } from './tensor.ts';

/** A dimension: its size, the name of a symbol ("batch"), or null for unknown. */
export type Dim = number | string | null;
/** A shape; undefined where not even the rank is known. */
export type Shape = readonly Dim[] | undefined;

/** TypeProto. */
export type ValueType =
  | { readonly kind: 'tensor' | 'sparse'; readonly dtype: DType; readonly shape: Shape }
  | { readonly kind: 'sequence' | 'optional'; readonly element: ValueType | undefined }
  | { readonly kind: 'map'; readonly key: DType; readonly value: ValueType | undefined }
  | { readonly kind: 'opaque'; readonly domain: string; readonly name: string }
  | { readonly kind: 'unknown' };

export interface ValueInfo {
  readonly name: string;
  readonly type: ValueType;
  readonly doc?: string;
  readonly denotations?: Denotations;
  readonly metadata?: ReadonlyMap<string, string>;
}

/** Denotations of a type and of its dimensions (IR.md, "Dimension denotation"). */
export interface Denotations {
  readonly type?: string;
  readonly dims?: readonly (string | undefined)[];
}

export interface SparseTensor {
  readonly dims: readonly number[];
  readonly name: string;
  readonly values: Tensor;
  readonly indices: Tensor;
}

/** AttributeProto: 64-bit integers come as numbers where they are safe, else as bigints. */
export type Attribute =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: number | bigint }
  | { readonly type: 'string'; readonly value: string | Uint8Array }
  | { readonly type: 'tensor'; readonly value: Tensor }
  | { readonly type: 'graph'; readonly value: Graph }
  | { readonly type: 'sparse_tensor'; readonly value: SparseTensor }
  | { readonly type: 'type_proto'; readonly value: ValueType }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'ints'; readonly value: readonly (number | bigint)[] }
  | { readonly type: 'strings'; readonly value: readonly (string | Uint8Array)[] }
  | { readonly type: 'tensors'; readonly value: readonly Tensor[] }
  | { readonly type: 'graphs'; readonly value: readonly Graph[] }
  | { readonly type: 'sparse_tensors'; readonly value: readonly SparseTensor[] }
  | { readonly type: 'type_protos'; readonly value: readonly ValueType[] }
  /** Inside of a function: the attribute of the caller that is meant. */
  | { readonly type: 'reference'; readonly value: string; readonly refType: number };

/** One operator application. Values are known by name; '' is an absent optional input or output. */
export interface Node {
  name: string;
  /** '' is ai.onnx. */
  domain: string;
  op: string;
  inputs: string[];
  outputs: string[];
  attributes: Map<string, Attribute>;
  overload?: string;
  doc?: string;
  metadata?: Map<string, string>;
  /** Multi-device annotations, kept as they were read. */
  device?: unknown;
}

/** GraphProto. Node order is topological (verify checks it). A value may be read by nested graphs of a node's attributes. */
export interface Graph {
  name: string;
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  nodes: Node[];
  /** Weights by name, in file order. */
  initializers: Map<string, Tensor>;
  sparseInitializers: SparseTensor[];
  /** What the file says of inner values (value_info). */
  values: Map<string, ValueInfo>;
  doc?: string;
  metadata?: Map<string, string>;
  /** quantization_annotation: tensor name to role to parameter tensor name. */
  quantization?: Map<string, Map<string, string>>;
  /** Metadata of initializers, where a file has it. */
  initializerMetadata?: Map<string, Map<string, string>>;
}

/** FunctionProto: a model-local operator. */
export interface FunctionDef {
  name: string;
  domain: string;
  overload?: string;
  inputs: string[];
  outputs: string[];
  /** Attributes without a default. */
  attributes: string[];
  defaults: Map<string, Attribute>;
  nodes: Node[];
  opsets: Map<string, number>;
  values: Map<string, ValueInfo>;
  doc?: string;
  metadata?: Map<string, string>;
}

/** ModelProto. */
export interface Model {
  irVersion: number;
  /** Domain ('' is ai.onnx) to version. */
  opsets: Map<string, number>;
  graph: Graph;
  functions: FunctionDef[];
  producer: { name: string; version: string };
  domain: string;
  version: bigint;
  doc?: string;
  metadata: Map<string, string>;
  /** training_info and device configurations, kept as they were read. */
  training?: unknown;
  devices?: unknown;
}

/** A copy that can be edited freely: graphs, nodes and maps are new, tensors (immutable) are shared. */
export function cloneModel(model: Model): Model {
  return {
    ...model,
    opsets: new Map(model.opsets),
    metadata: new Map(model.metadata),
    producer: { ...model.producer },
    graph: cloneGraph(model.graph),
    functions: model.functions.map((fn) => ({
      ...fn,
      inputs: [...fn.inputs],
      outputs: [...fn.outputs],
      attributes: [...fn.attributes],
      defaults: cloneAttributes(fn.defaults),
      nodes: fn.nodes.map(cloneNode),
      opsets: new Map(fn.opsets),
      values: new Map(fn.values),
      ...(fn.metadata && { metadata: new Map(fn.metadata) }),
    })),
  };
}

export function cloneGraph(graph: Graph): Graph {
  return {
    ...graph,
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    nodes: graph.nodes.map(cloneNode),
    initializers: new Map(graph.initializers),
    sparseInitializers: [...graph.sparseInitializers],
    values: new Map(graph.values),
    ...(graph.metadata && { metadata: new Map(graph.metadata) }),
    ...(graph.quantization && { quantization: copyOfEach(graph.quantization) }),
    ...(graph.initializerMetadata && { initializerMetadata: copyOfEach(graph.initializerMetadata) }),
  };
}

function copyOfEach(maps: Map<string, Map<string, string>>): Map<string, Map<string, string>> {
  return new Map([...maps].map(([name, map]) => [name, new Map(map)]));
}

export function cloneNode(node: Node): Node {
  return {
    ...node,
    inputs: [...node.inputs],
    outputs: [...node.outputs],
    attributes: cloneAttributes(node.attributes),
    ...(node.metadata && { metadata: new Map(node.metadata) }),
  };
}

function cloneAttributes(from: ReadonlyMap<string, Attribute>): Map<string, Attribute> {
  const attributes = new Map<string, Attribute>();
  for (const [name, attribute] of from) {
    if (attribute.type === 'graph')
      attributes.set(name, { type: 'graph', value: cloneGraph(attribute.value) });
    else if (attribute.type === 'graphs') {
      attributes.set(name, { type: 'graphs', value: attribute.value.map(cloneGraph) });
    } else attributes.set(name, attribute);
  }
  return attributes;
}

/** The graphs inside of a node's attributes (If, Loop, Scan). */
export function subgraphsOf(node: Node): Graph[] {
  const graphs: Graph[] = [];
  for (const attribute of node.attributes.values()) {
    if (attribute.type === 'graph') graphs.push(attribute.value);
    else if (attribute.type === 'graphs') graphs.push(...attribute.value);
  }
  return graphs;
}

/** A node with the given fields and sane rest. */
export function makeNode(
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: Record<string, Attribute> = {},
  rest: { name?: string; domain?: string } = {},
): Node {
  return {
    op,
    domain: rest.domain ?? '',
    name: rest.name ?? '',
    inputs,
    outputs,
    attributes: new Map(Object.entries(attributes)),
  };
}

export function makeGraph(parts: Partial<Graph> & Pick<Graph, 'inputs' | 'outputs' | 'nodes'>): Graph {
  return { name: 'graph', initializers: new Map(), sparseInitializers: [], values: new Map(), ...parts };
}

export function makeModel(graph: Graph, opset = 21, rest: Partial<Model> = {}): Model {
  return {
    irVersion: 10,
    opsets: new Map([['', opset]]),
    graph,
    functions: [],
    producer: { name: 'modicum', version: '' },
    domain: '',
    version: 0n,
    metadata: new Map(),
    ...rest,
  };
}

export function tensorType(dtype: DType, shape: Shape): ValueType {
  return { kind: 'tensor', dtype, shape };
}
