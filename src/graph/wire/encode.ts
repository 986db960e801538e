import { create, toBinary } from '@bufbuild/protobuf';
import { fail, ModicumError, messageOf } from '../../base/index.ts';
import { DTYPES, type DType } from '../dtype.ts';
import {
  type Attribute,
  type FunctionDef,
  type Graph,
  type Model,
  type Node,
  type Shape,
  type SparseTensor,
  tensorType,
  type ValueInfo,
  type ValueType,
} from '../model.ts';
import type { Tensor } from '../tensor.ts';
import { INITIALIZERS_NEED_NO_INPUT } from './decode.ts';
import {
  type AttributeProto,
  AttributeProtoSchema,
  type DeviceConfigurationProto,
  FunctionProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeDeviceConfigurationProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type SparseTensorProto,
  SparseTensorProtoSchema,
  StringStringEntryProtoSchema,
  AttributeProto_AttributeType as T,
  TensorAnnotationSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
  type TensorShapeProto,
  TensorShapeProtoSchema,
  type TrainingInfoProto,
  type TypeProto,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './onnx_pb.ts';

/** Where the bytes of a tensor go that does not travel in the message; undefined keeps them in it. */
export type ExternalPlacer = (
  name: string,
  tensor: Tensor,
) => { location: string; offset: number; length: number } | undefined;

const INSIDE: ExternalPlacer = () => undefined;
/** Protobuf's own limit on a message, 2 GiB less one. */
const LARGEST_MESSAGE = 2 ** 31 - 1;

/**
 * Writes a ModelProto. Throws MODEL_TOO_LARGE where the bytes kept inside pass protobuf's 2 GiB, and MODEL_INVALID where
 * a number does not fit its field.
 */
export function encodeModel(model: Model, place: ExternalPlacer = INSIDE): Uint8Array {
  try {
    return encode(model, place);
  } catch (cause) {
    if (cause instanceof ModicumError) throw cause;
    throw fail('MODEL_INVALID', `it cannot be written: ${messageOf(cause)}`, {}, cause);
  }
}

function encode(model: Model, place: ExternalPlacer): Uint8Array {
  const proto = create(ModelProtoSchema, {
    irVersion: BigInt(model.irVersion),
    opsetImport: toOpsets(model.opsets),
    producerName: model.producer.name || undefined,
    producerVersion: model.producer.version || undefined,
    domain: model.domain || undefined,
    modelVersion: model.version || undefined,
    docString: model.doc,
    graph: toGraph(withForcedInputs(model), place),
    metadataProps: toEntries(model.metadata),
    trainingInfo: (model.training as TrainingInfoProto[] | undefined) ?? [],
    functions: model.functions.map((fn) => toFunction(fn, place)),
    configuration: (model.devices as DeviceConfigurationProto[] | undefined) ?? [],
  });
  const inside = bytesInside(proto.graph);
  if (inside > LARGEST_MESSAGE) throw fail('MODEL_TOO_LARGE', `${inside} bytes of weights`);
  return toBinary(ModelProtoSchema, proto);
}

/** Old IR versions want each initializer among the inputs. */
function withForcedInputs({ irVersion, graph }: Model): Graph {
  if (irVersion >= INITIALIZERS_NEED_NO_INPUT) return graph;
  const inputs = [...graph.inputs];
  const listed = new Set(inputs.map((input) => input.name));
  for (const [name, { dtype, dims }] of graph.initializers) {
    if (!listed.has(name)) inputs.push({ name, type: tensorType(dtype, dims) });
  }
  return { ...graph, inputs };
}

function bytesInside(graph: GraphProto | undefined): number {
  let sum = 0;
  for (const tensor of graph?.initializer ?? []) sum += tensor.rawData.byteLength;
  return sum;
}

function toOpsets(opsets: ReadonlyMap<string, number>) {
  return [...opsets].map(([domain, version]) =>
    create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
  );
}

function toEntries(map: ReadonlyMap<string, string> | undefined) {
  return [...(map ?? [])].map(([key, value]) => create(StringStringEntryProtoSchema, { key, value }));
}

function toTensor(name: string, tensor: Tensor, place: ExternalPlacer): TensorProto {
  const common = {
    name: name || undefined,
    dims: tensor.dims.map(BigInt),
    dataType: DTYPES[tensor.dtype].onnx,
  };
  if (tensor.dtype === 'string') {
    const encoder = new TextEncoder();
    return create(TensorProtoSchema, {
      ...common,
      stringData: tensor.strings().map((text) => encoder.encode(text)),
    });
  }
  const placed = place(name, tensor);
  if (placed === undefined) return create(TensorProtoSchema, { ...common, rawData: tensor.bytes() });
  return create(TensorProtoSchema, {
    ...common,
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: toEntries(
      new Map([
        ['location', placed.location],
        ['offset', String(placed.offset)],
        ['length', String(placed.length)],
      ]),
    ),
  });
}

function toSparse(sparse: SparseTensor, place: ExternalPlacer): SparseTensorProto {
  return create(SparseTensorProtoSchema, {
    dims: sparse.dims.map(BigInt),
    values: toTensor(sparse.name, sparse.values, place),
    indices: toTensor('', sparse.indices, place),
  });
}

function toGraph(graph: Graph, place: ExternalPlacer): GraphProto {
  return create(GraphProtoSchema, {
    name: graph.name,
    input: graph.inputs.map(toValueInfo),
    output: graph.outputs.map(toValueInfo),
    node: graph.nodes.map((node) => toNode(node, place)),
    initializer: [...graph.initializers].map(([name, tensor]) => {
      const proto = toTensor(name, tensor, place);
      proto.metadataProps = toEntries(graph.initializerMetadata?.get(name));
      return proto;
    }),
    sparseInitializer: graph.sparseInitializers.map((sparse) => toSparse(sparse, place)),
    valueInfo: [...graph.values.values()].map(toValueInfo),
    docString: graph.doc,
    metadataProps: toEntries(graph.metadata),
    quantizationAnnotation: [...(graph.quantization ?? [])].map(([tensorName, roles]) =>
      create(TensorAnnotationSchema, { tensorName, quantParameterTensorNames: toEntries(roles) }),
    ),
  });
}

function toNode(node: Node, place: ExternalPlacer) {
  return create(NodeProtoSchema, {
    name: node.name || undefined,
    opType: node.op,
    domain: node.domain || undefined,
    overload: node.overload,
    input: node.inputs,
    output: node.outputs,
    attribute: toAttributes(node.attributes, place),
    docString: node.doc,
    metadataProps: toEntries(node.metadata),
    deviceConfigurations: (node.device as NodeDeviceConfigurationProto[] | undefined) ?? [],
  });
}

function toAttributes(attributes: ReadonlyMap<string, Attribute>, place: ExternalPlacer): AttributeProto[] {
  return [...attributes].map(([name, attribute]) =>
    create(AttributeProtoSchema, { name, ...attributeFields(attribute, place) }),
  );
}

const ENCODER = new TextEncoder();
const toBytes = (value: string | Uint8Array) => (typeof value === 'string' ? ENCODER.encode(value) : value);

function attributeFields(attribute: Attribute, place: ExternalPlacer) {
  switch (attribute.type) {
    case 'float':
      return { type: T.FLOAT, f: attribute.value };
    case 'int':
      return { type: T.INT, i: BigInt(attribute.value) };
    case 'string':
      return { type: T.STRING, s: toBytes(attribute.value) };
    case 'tensor':
      return { type: T.TENSOR, t: toTensor('', attribute.value, place) };
    case 'graph':
      return { type: T.GRAPH, g: toGraph(attribute.value, place) };
    case 'sparse_tensor':
      return { type: T.SPARSE_TENSOR, sparseTensor: toSparse(attribute.value, place) };
    case 'type_proto':
      return { type: T.TYPE_PROTO, tp: toType(attribute.value) };
    case 'floats':
      return { type: T.FLOATS, floats: [...attribute.value] };
    case 'ints':
      return { type: T.INTS, ints: attribute.value.map(BigInt) };
    case 'strings':
      return { type: T.STRINGS, strings: attribute.value.map(toBytes) };
    case 'tensors':
      return { type: T.TENSORS, tensors: attribute.value.map((tensor) => toTensor('', tensor, place)) };
    case 'graphs':
      return { type: T.GRAPHS, graphs: attribute.value.map((graph) => toGraph(graph, place)) };
    case 'sparse_tensors':
      return {
        type: T.SPARSE_TENSORS,
        sparseTensors: attribute.value.map((sparse) => toSparse(sparse, place)),
      };
    case 'type_protos':
      return { type: T.TYPE_PROTOS, typeProtos: attribute.value.map((type) => toType(type)) };
    case 'reference':
      return { type: attribute.refType as T, refAttrName: attribute.value };
  }
}

function toValueInfo(info: ValueInfo): ValueInfoProto {
  const type = info.type.kind === 'unknown' ? undefined : toType(info.type);
  if (type !== undefined && info.denotations !== undefined) {
    type.denotation = info.denotations.type ?? '';
    if (type.value.case === 'tensorType') {
      for (const [axis, dim] of (type.value.value.shape?.dim ?? []).entries()) {
        dim.denotation = info.denotations.dims?.[axis] ?? '';
      }
    }
  }
  return create(ValueInfoProtoSchema, {
    name: info.name,
    type,
    docString: info.doc,
    metadataProps: toEntries(info.metadata),
  });
}

function toType(type: ValueType): TypeProto {
  switch (type.kind) {
    case 'tensor':
      return create(TypeProtoSchema, { value: { case: 'tensorType', value: elements(type) } });
    case 'sparse':
      return create(TypeProtoSchema, { value: { case: 'sparseTensorType', value: elements(type) } });
    case 'sequence':
      return create(TypeProtoSchema, {
        value: { case: 'sequenceType', value: { elemType: inner(type.element) } },
      });
    case 'optional':
      return create(TypeProtoSchema, {
        value: { case: 'optionalType', value: { elemType: inner(type.element) } },
      });
    case 'map':
      return create(TypeProtoSchema, {
        value: { case: 'mapType', value: { keyType: DTYPES[type.key].onnx, valueType: inner(type.value) } },
      });
    case 'opaque':
      return create(TypeProtoSchema, {
        value: { case: 'opaqueType', value: { domain: type.domain, name: type.name } },
      });
    case 'unknown':
      return create(TypeProtoSchema, {});
  }
}

function inner(type: ValueType | undefined): TypeProto | undefined {
  return type === undefined ? undefined : toType(type);
}

function elements(type: { readonly dtype: DType; readonly shape: Shape }) {
  return { elemType: DTYPES[type.dtype].onnx, shape: toShape(type.shape) };
}

function toShape(shape: Shape): TensorShapeProto | undefined {
  if (shape === undefined) return undefined;
  return create(TensorShapeProtoSchema, {
    dim: shape.map((dim) => ({
      value:
        typeof dim === 'number'
          ? ({ case: 'dimValue', value: BigInt(dim) } as const)
          : typeof dim === 'string'
            ? ({ case: 'dimParam', value: dim } as const)
            : { case: undefined },
    })),
  });
}

function toFunction(fn: FunctionDef, place: ExternalPlacer) {
  return create(FunctionProtoSchema, {
    name: fn.name,
    domain: fn.domain || undefined,
    overload: fn.overload,
    input: fn.inputs,
    output: fn.outputs,
    attribute: fn.attributes,
    attributeProto: toAttributes(fn.defaults, place),
    node: fn.nodes.map((node) => toNode(node, place)),
    opsetImport: toOpsets(fn.opsets),
    valueInfo: [...fn.values.values()].map(toValueInfo),
    docString: fn.doc,
    metadataProps: toEntries(fn.metadata),
  });
}
