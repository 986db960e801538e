import { ATTRIBUTE_TYPE_NUMBERS } from '../attributes.ts';
import type { DType } from '../dtype.ts';
import {
  type Attribute,
  type FunctionDef,
  type Graph,
  type Model,
  type Node,
  type Shape,
  type SparseTensor,
  subgraphsOf,
  type ValueInfo,
  type ValueType,
} from '../model.ts';
import type { Tensor } from '../tensor.ts';
import { formatFloat32, printElements } from './elements.ts';
import { BYTES_WORD, dtypeWord, hexOf, identifier, quoted } from './words.ts';

export interface PrintOptions {
  /** Tensors with more elements print as `...`, which reads well and parses no more. Default: all are printed. */
  readonly maxElements?: number;
}

/**
 * Prints in ONNX's own text syntax (onnx/docs/Syntax.md). `parseText` gives the model back, except what the syntax has
 * no words for: doc strings and metadata of nodes, graphs and values, denotations, quantization annotations, training
 * info and device configurations. Where the syntax lacks a form that a model may have (names that are no identifiers,
 * sparse tensors, strings that are not UTF-8, NaN with a payload), a small extension of ours stands in.
 */
export function printText(what: Model | Graph | Node, options: PrintOptions = {}): string {
  const printer = new Printer(options.maxElements ?? Number.POSITIVE_INFINITY);
  if ('irVersion' in what) return printer.model(what);
  return 'op' in what ? printer.node(what, '') : printer.graph(what, '');
}

const STEP = '  ';

class Printer {
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  model(model: Model): string {
    const header = [`ir_version: ${model.irVersion}`, `opset_import: ${opsets(model.opsets)}`];
    if (model.producer.name !== '') header.push(`producer_name: ${quoted(model.producer.name)}`);
    if (model.producer.version !== '') header.push(`producer_version: ${quoted(model.producer.version)}`);
    if (model.domain !== '') header.push(`domain: ${quoted(model.domain)}`);
    if (model.version !== 0n) header.push(`model_version: ${model.version}`);
    if (model.doc !== undefined) header.push(`doc_string: ${quoted(model.doc)}`);
    if (model.metadata.size > 0) {
      const entries = [...model.metadata].map(([key, value]) => `${quoted(key)}: ${quoted(value)}`);
      header.push(`metadata_props: [${entries.join(', ')}]`);
    }
    const parts = [headerOf(header) + this.graph(model.graph, '')];
    for (const fn of model.functions) parts.push(this.#function(fn));
    return `${parts.join('\n\n')}\n`;
  }

  graph(graph: Graph, indent: string): string {
    const ports = (infos: readonly ValueInfo[]) => `(${infos.map(valueInfo).join(', ')})`;
    const known = [
      ...[...graph.initializers].map(([name, tensor]) => this.#weight(name, tensor)),
      ...graph.sparseInitializers.map((sparse) => this.#sparse(sparse)),
      ...[...graph.values.values()].map(valueInfo),
    ];
    const list = known.length === 0 ? '' : ` <\n${lines(known, indent)}\n${indent}>`;
    return `${identifier(graph.name)} ${ports(graph.inputs)} => ${ports(graph.outputs)}${list} ${this.#body(graph.nodes, indent)}`;
  }

  #body(nodes: readonly Node[], indent: string): string {
    const printed = nodes.map((node) => `${indent}${STEP}${this.node(node, indent + STEP)}\n`);
    return `{\n${printed.join('')}${indent}}`;
  }

  node(node: Node, indent: string): string {
    const label = node.name === '' ? '' : `[${identifier(node.name)}] `;
    const outputs = node.outputs.length === 0 ? '' : `${node.outputs.map(identifier).join(', ')} `;
    const overload = node.overload === undefined ? '' : `:${identifier(node.overload)}`;
    const op = `${qualified(node.domain)}${identifier(node.op)}${overload}`;
    const inputs = ` (${node.inputs.map(identifier).join(', ')})`;
    const entries = [...node.attributes].map(([name, attribute]) => this.#attribute(name, attribute, indent));
    const nested = subgraphsOf(node).length > 0;
    const inline = entries.length === 0 ? '' : ` <${entries.join(', ')}>`;
    const after = nested ? ` <\n${lines(entries, indent)}\n${indent}>` : '';
    return `${label}${outputs}= ${op}${nested ? '' : inline}${inputs}${after}`;
  }

  #attribute(name: string, attribute: Attribute, indent: string): string {
    const word = attribute.type === 'reference' ? ATTRIBUTE_WORDS.get(attribute.refType) : attribute.type;
    const type = word === undefined ? '' : `: ${word}`;
    return `${identifier(name)}${type} = ${this.#value(attribute, indent + STEP)}`;
  }

  #value(attribute: Attribute, indent: string): string {
    switch (attribute.type) {
      case 'float':
        return formatFloat32(Math.fround(attribute.value));
      case 'int':
        return String(attribute.value);
      case 'string':
        return text(attribute.value);
      case 'tensor':
        return this.#tensor(attribute.value);
      case 'graph':
        return this.graph(attribute.value, indent);
      case 'sparse_tensor':
        return this.#sparse(attribute.value);
      case 'type_proto':
        return printType(attribute.value);
      case 'floats':
        return list(attribute.value.map((value) => formatFloat32(Math.fround(value))));
      case 'ints':
        return list(attribute.value.map(String));
      case 'strings':
        return list(attribute.value.map(text));
      case 'tensors':
        return list(attribute.value.map((tensor) => this.#tensor(tensor)));
      case 'graphs':
        return list(attribute.value.map((graph) => this.graph(graph, indent)));
      case 'sparse_tensors':
        return list(attribute.value.map((sparse) => this.#sparse(sparse)));
      case 'type_protos':
        return list(attribute.value.map(printType));
      case 'reference':
        return `@${identifier(attribute.value)}`;
    }
  }

  #tensor(tensor: Tensor): string {
    return `${elementsOf(tensor.dtype, tensor.dims, '')} ${printElements(tensor, this.#most)}`;
  }

  #weight(name: string, tensor: Tensor): string {
    const type = elementsOf(tensor.dtype, tensor.dims, '');
    return `${type} ${identifier(name)} = ${printElements(tensor, this.#most)}`;
  }

  #sparse({ name, dims, values, indices }: SparseTensor): string {
    const type = `sparse_tensor(${elementsOf(values.dtype, dims, '')})`;
    return `${type} ${identifier(name)} = ${this.#tensor(values)} ${this.#tensor(indices)}`;
  }

  #function(fn: FunctionDef): string {
    const header = [`domain: ${quoted(fn.domain)}`];
    if (fn.overload !== undefined) header.push(`overload: ${quoted(fn.overload)}`);
    header.push(`opset_import: ${opsets(fn.opsets)}`);
    if (fn.doc !== undefined) header.push(`doc_string: ${quoted(fn.doc)}`);
    const attributes = [
      ...fn.attributes.map(identifier),
      ...[...fn.defaults].map(([name, attribute]) => this.#attribute(name, attribute, '')),
    ];
    const parameters = attributes.length === 0 ? '' : ` <${attributes.join(', ')}>`;
    const names = (list: readonly string[]) => `(${list.map(identifier).join(', ')})`;
    const values = [...fn.values.values()].map(valueInfo);
    const known = values.length === 0 ? '' : ` <${values.join(', ')}>`;
    const signature = `${identifier(fn.name)}${parameters} ${names(fn.inputs)} => ${names(fn.outputs)}${known}`;
    return `${headerOf(header)}${signature} ${this.#body(fn.nodes, '')}`;
  }
}

const ATTRIBUTE_WORDS = new Map<number, string>(
  Object.entries(ATTRIBUTE_TYPE_NUMBERS).map(([word, number]) => [number, word]),
);

function headerOf(entries: readonly string[]): string {
  return `<\n${lines(entries, '')}\n>\n`;
}

function lines(entries: readonly string[], indent: string): string {
  return entries.map((entry) => `${indent}${STEP}${entry}`).join(',\n');
}

function list(items: readonly string[]): string {
  return `[${items.join(', ')}]`;
}

function text(value: string | Uint8Array): string {
  return typeof value === 'string' ? quoted(value) : `${BYTES_WORD} "${hexOf(value)}"`;
}

function opsets(imports: ReadonlyMap<string, number>): string {
  return list([...imports].map(([domain, version]) => `${quoted(domain)} : ${version}`));
}

/** A domain before an op, with its dot: as identifiers where all its parts are some, else quoted as a whole. */
function qualified(domain: string): string {
  if (domain === '') return '';
  const parts = domain.split('.');
  return `${parts.every((part) => identifier(part) === part) ? domain : quoted(domain)}.`;
}

function valueInfo({ name, type }: ValueInfo): string {
  return type.kind === 'unknown' ? identifier(name) : `${printType(type)} ${identifier(name)}`;
}

/** A type: `float[N,3]`, `float` (a scalar), `float[]` (of unknown rank), `seq(float[])`; `?` is one not known. */
export function printType(type: ValueType): string {
  switch (type.kind) {
    case 'tensor':
      return elementsOf(type.dtype, type.shape, '[]');
    case 'sparse':
      return `sparse_tensor(${elementsOf(type.dtype, type.shape, '[]')})`;
    case 'sequence':
      return `seq(${innerType(type.element)})`;
    case 'optional':
      return `optional(${innerType(type.element)})`;
    case 'map':
      return `map(${dtypeWord(type.key)}, ${innerType(type.value)})`;
    case 'opaque': {
      if (type.domain === '') return `opaque(${type.name === '' ? '' : qualified(type.name).slice(0, -1)})`;
      return `opaque(${qualified(type.domain).slice(0, -1)}, ${identifier(type.name)})`;
    }
    case 'unknown':
      return '?';
  }
}

function innerType(type: ValueType | undefined): string {
  return type === undefined ? '' : printType(type);
}

function elementsOf(dtype: DType, shape: Shape, rankless: string): string {
  const word = dtypeWord(dtype);
  if (shape === undefined) return word + rankless;
  if (shape.length === 0) return word;
  const dims = shape.map((dim) =>
    dim === null ? '?' : typeof dim === 'number' ? String(dim) : identifier(dim),
  );
  return `${word}[${dims.join(',')}]`;
}
