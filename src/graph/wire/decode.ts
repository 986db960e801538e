import { fromBinary, isFieldSet } from '@bufbuild/protobuf';
import { fail, ModicumError, messageOf } from '../../base/index.ts';
import { dtypeOfNumber } from '../dtype.ts';
import type {
  Attribute,
  Denotations,
  Dim,
  FunctionDef,
  Graph,
  Model,
  Node,
  ValueInfo,
  ValueType,
} from '../model.ts';
import { decodeSparse, decodeTensor, type ExternalResolver, safe } from './decode-tensor.ts';
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type StringStringEntryProto,
  AttributeProto_AttributeType as T,
  type TensorShapeProto,
  type TypeProto,
  type ValueInfoProto,
} from './onnx_pb.ts';

const NO_EXTERNAL: ExternalResolver = (location) => {
  throw fail('EXTERNAL_MISSING', `"${location}" is needed, and the model was given as bytes alone`);
};

/**
 * Reads a ModelProto. Weights are views into `bytes`, which must stay as they are. Before IR version 4 the format listed
 * every initializer among the inputs too, though no caller could replace it: those inputs are left out here, and put
 * back by encodeModel.
 * Throws MODEL_EMPTY, MODEL_TRUNCATED, MODEL_NOT_ONNX, MODEL_INVALID, and what `external` throws.
 */
export function decodeModel(bytes: Uint8Array, external: ExternalResolver = NO_EXTERNAL): Model {
  if (bytes.byteLength === 0) throw fail('MODEL_EMPTY', '0 bytes');
  let proto: ModelProto;
  try {
    // A plain Uint8Array: tensors are made of subarrays, and those of a Buffer behave otherwise in places.
    proto = fromBinary(ModelProtoSchema, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (cause) {
    // Every exporter writes ir_version (field 1, varint) first; a file that starts otherwise never was a model.
    const code = bytes[0] === 0x08 ? 'MODEL_TRUNCATED' : 'MODEL_NOT_ONNX';
    throw fail(code, messageOf(cause), { bytes: bytes.byteLength }, cause);
  }
  if (proto.graph === undefined || !isFieldSet(proto, ModelProtoSchema.field.irVersion)) {
    throw fail('MODEL_NOT_ONNX', 'it decodes as a protobuf message without ir_version and graph');
  }
  try {
    return toModel(proto, proto.graph, external);
  } catch (cause) {
    if (cause instanceof ModicumError) throw cause;
    throw fail('MODEL_INVALID', messageOf(cause), {}, cause);
  }
}

function toModel(proto: ModelProto, graphProto: GraphProto, external: ExternalResolver): Model {
  const irVersion = safe(proto.irVersion, 'the IR version');
  const graph = toGraph(graphProto, external);
  if (irVersion < INITIALIZERS_NEED_NO_INPUT) {
    graph.inputs = graph.inputs.filter((input) => !graph.initializers.has(input.name));
  }
  return {
    irVersion,
    opsets: toOpsets(proto.opsetImport),
    graph,
    functions: proto.functions.map((fn) => toFunction(fn, external)),
    producer: { name: proto.producerName, version: proto.producerVersion },
    domain: proto.domain,
    version: proto.modelVersion,
    doc: proto.docString || undefined,
    metadata: new Map(proto.metadataProps.map((entry) => [entry.key, entry.value])),
    training: proto.trainingInfo.length > 0 ? proto.trainingInfo : undefined,
    devices: proto.configuration.length > 0 ? proto.configuration : undefined,
  };
}

/** The first IR version in which an initializer that is an input too is a default that the caller may replace. */
export const INITIALIZERS_NEED_NO_INPUT = 4;

function toOpsets(imports: ModelProto['opsetImport']): Map<string, number> {
  return new Map(
    imports.map(({ domain, version }) => [plainDomain(domain), safe(version, 'an opset version')]),
  );
}

/** ai.onnx and '' are the same domain. */
function plainDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

function toGraph(proto: GraphProto, external: ExternalResolver): Graph {
  const initializers = new Map(
    proto.initializer.map((tensor) => [tensor.name, decodeTensor(tensor, external)]),
  );
  if (initializers.size !== proto.initializer.length) {
    throw fail('MODEL_INVALID', `graph "${proto.name}" has two initializers of one name`);
  }
  const described = proto.initializer.filter((tensor) => tensor.metadataProps.length > 0);
  return {
    // An absent name and an empty one are told apart by no reader.
    name: isFieldSet(proto, GraphProtoSchema.field.name) ? proto.name : '',
    inputs: proto.input.map(toValueInfo),
    outputs: proto.output.map(toValueInfo),
    nodes: proto.node.map((node) => toNode(node, external)),
    initializers,
    sparseInitializers: proto.sparseInitializer.map((sparse) => decodeSparse(sparse, external)),
    values: new Map(proto.valueInfo.map((info) => [info.name, toValueInfo(info)])),
    doc: proto.docString || undefined,
    metadata: toMap(proto.metadataProps),
    quantization:
      proto.quantizationAnnotation.length > 0
        ? new Map(
            proto.quantizationAnnotation.map((note) => [
              note.tensorName,
              toMap(note.quantParameterTensorNames) ?? new Map(),
            ]),
          )
        : undefined,
    initializerMetadata:
      described.length > 0
        ? new Map(described.map((tensor) => [tensor.name, toMap(tensor.metadataProps) ?? new Map()]))
        : undefined,
  };
}

function toMap(entries: readonly StringStringEntryProto[]): Map<string, string> | undefined {
  return entries.length > 0 ? new Map(entries.map((entry) => [entry.key, entry.value])) : undefined;
}

function toNode(proto: NodeProto, external: ExternalResolver): Node {
  return {
    name: proto.name,
    domain: plainDomain(proto.domain),
    op: proto.opType,
    inputs: proto.input,
    outputs: proto.output,
    attributes: new Map(
      proto.attribute.map((attribute) => [attribute.name, toAttribute(attribute, external)]),
    ),
    overload: proto.overload || undefined,
    doc: proto.docString || undefined,
    metadata: toMap(proto.metadataProps),
    device: proto.deviceConfigurations.length > 0 ? proto.deviceConfigurations : undefined,
  };
}

const whole = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
function text(bytes: Uint8Array): string | Uint8Array {
  try {
    return UTF8.decode(bytes);
  } catch {
    return bytes;
  }
}

/** The kind of an attribute that a writer before IR version 2 left out. */
function guessType(proto: AttributeProto): T {
  if (proto.g !== undefined) return T.GRAPH;
  if (proto.t !== undefined) return T.TENSOR;
  if (proto.ints.length > 0) return T.INTS;
  if (proto.floats.length > 0) return T.FLOATS;
  if (proto.strings.length > 0) return T.STRINGS;
  if (proto.s.byteLength > 0) return T.STRING;
  return proto.f !== 0 ? T.FLOAT : T.INT;
}

function toAttribute(proto: AttributeProto, external: ExternalResolver): Attribute {
  if (proto.refAttrName !== '') return { type: 'reference', value: proto.refAttrName, refType: proto.type };
  const need = <V>(value: V | undefined): V => {
    if (value === undefined)
      throw fail('MODEL_INVALID', `attribute "${proto.name}" lacks the value its type promises`);
    return value;
  };
  switch (proto.type === T.UNDEFINED ? guessType(proto) : proto.type) {
    case T.FLOAT:
      return { type: 'float', value: proto.f };
    case T.INT:
      return { type: 'int', value: whole(proto.i) };
    case T.STRING:
      return { type: 'string', value: text(proto.s) };
    case T.TENSOR:
      return { type: 'tensor', value: decodeTensor(need(proto.t), external) };
    case T.GRAPH:
      return { type: 'graph', value: toGraph(need(proto.g), external) };
    case T.SPARSE_TENSOR:
      return { type: 'sparse_tensor', value: decodeSparse(need(proto.sparseTensor), external) };
    case T.TYPE_PROTO:
      return { type: 'type_proto', value: toType(need(proto.tp)) };
    case T.FLOATS:
      return { type: 'floats', value: proto.floats };
    case T.INTS:
      return { type: 'ints', value: proto.ints.map(whole) };
    case T.STRINGS:
      return { type: 'strings', value: proto.strings.map(text) };
    case T.TENSORS:
      return { type: 'tensors', value: proto.tensors.map((tensor) => decodeTensor(tensor, external)) };
    case T.GRAPHS:
      return { type: 'graphs', value: proto.graphs.map((graph) => toGraph(graph, external)) };
    case T.SPARSE_TENSORS:
      return {
        type: 'sparse_tensors',
        value: proto.sparseTensors.map((sparse) => decodeSparse(sparse, external)),
      };
    case T.TYPE_PROTOS:
      return { type: 'type_protos', value: proto.typeProtos.map(toType) };
    default:
      throw fail(
        'MODEL_INVALID',
        `attribute "${proto.name}" has the type ${proto.type}, which ONNX does not define`,
      );
  }
}

function toValueInfo(proto: ValueInfoProto): ValueInfo {
  return {
    name: proto.name,
    type: proto.type === undefined ? { kind: 'unknown' } : toType(proto.type),
    doc: proto.docString || undefined,
    denotations: proto.type === undefined ? undefined : denotationsOf(proto.type),
    metadata: toMap(proto.metadataProps),
  };
}

function denotationsOf(proto: TypeProto): Denotations | undefined {
  const dims = proto.value.case === 'tensorType' ? (proto.value.value.shape?.dim ?? []) : [];
  if (proto.denotation === '' && dims.every((dim) => dim.denotation === '')) return undefined;
  return { type: proto.denotation || undefined, dims: dims.map((dim) => dim.denotation || undefined) };
}

function toType(proto: TypeProto): ValueType {
  const { value } = proto;
  switch (value.case) {
    case 'tensorType':
    case 'sparseTensorType': {
      const dtype = dtypeOfNumber(value.value.elemType);
      if (dtype === undefined) return { kind: 'unknown' };
      return {
        kind: value.case === 'tensorType' ? 'tensor' : 'sparse',
        dtype,
        shape: toShape(value.value.shape),
      };
    }
    case 'sequenceType':
    case 'optionalType': {
      const element = value.value.elemType;
      return {
        kind: value.case === 'sequenceType' ? 'sequence' : 'optional',
        element: element === undefined ? undefined : toType(element),
      };
    }
    case 'mapType': {
      const key = dtypeOfNumber(value.value.keyType);
      if (key === undefined) return { kind: 'unknown' };
      return {
        kind: 'map',
        key,
        value: value.value.valueType === undefined ? undefined : toType(value.value.valueType),
      };
    }
    case 'opaqueType':
      return { kind: 'opaque', domain: value.value.domain, name: value.value.name };
    default:
      return { kind: 'unknown' };
  }
}

function toShape(proto: TensorShapeProto | undefined): readonly Dim[] | undefined {
  return proto?.dim.map(({ value }) => {
    if (value.case === 'dimValue') return safe(value.value, 'a dimension');
    return value.case === 'dimParam' && value.value !== '' ? value.value : null;
  });
}

function toFunction(proto: FunctionProto, external: ExternalResolver): FunctionDef {
  return {
    name: proto.name,
    domain: plainDomain(proto.domain),
    overload: proto.overload || undefined,
    inputs: proto.input,
    outputs: proto.output,
    attributes: proto.attribute,
    defaults: new Map(
      proto.attributeProto.map((attribute) => [attribute.name, toAttribute(attribute, external)]),
    ),
    nodes: proto.node.map((node) => toNode(node, external)),
    opsets: toOpsets(proto.opsetImport),
    values: new Map(proto.valueInfo.map((info) => [info.name, toValueInfo(info)])),
    doc: proto.docString || undefined,
    metadata: toMap(proto.metadataProps),
  };
}
