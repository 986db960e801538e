import { fail } from '../../base/index.ts';
import { ATTRIBUTE_TYPE_NUMBERS } from '../attributes.ts';
import {
  type Attribute,
  type FunctionDef,
  type Graph,
  type Model,
  makeModel,
  type Node,
  type ValueInfo,
} from '../model.ts';
import type { ExternalResolver } from '../wire/decode-tensor.ts';
import { numberOf } from './elements.ts';
import { parseData, parseEntry, parseNamedData, parseSparse } from './parse-tensor.ts';
import { parseQualified, parseType, parseValueInfo, typeAhead } from './parse-type.ts';
import { Reader } from './reader.ts';
import { BYTES_WORD } from './words.ts';

export interface ParseOptions {
  /** Finds the bytes of `["location": ...]`. Default: EXTERNAL_MISSING. */
  readonly external?: ExternalResolver;
}

/**
 * Reads a model in ONNX's own text syntax (onnx/docs/Syntax.md), and the extensions of `printText`. A text without the
 * header `<ir_version: ..., opset_import: [...]>` gets the versions of `makeModel`.
 * Throws TEXT_INVALID with `data.line` and `data.column`.
 */
export function parseText(text: string, options: ParseOptions = {}): Model {
  const parser = new Parser(text, options);
  return parser.whole(() => parser.model());
}

/** Reads a lone graph. Throws TEXT_INVALID. */
export function parseGraph(text: string, options: ParseOptions = {}): Graph {
  const parser = new Parser(text, options);
  return parser.whole(() => parser.graph(undefined));
}

type ListType = 'floats' | 'ints' | 'strings' | 'tensors' | 'graphs' | 'sparse_tensors' | 'type_protos';
const LIST_OF = {
  float: 'floats',
  int: 'ints',
  string: 'strings',
  tensor: 'tensors',
  graph: 'graphs',
  sparse_tensor: 'sparse_tensors',
  type_proto: 'type_protos',
} as const satisfies Partial<Record<Attribute['type'], ListType>>;
type SingleType = keyof typeof LIST_OF;
type Single = Extract<Attribute, { type: SingleType }>;

class Parser {
  readonly #reader: Reader;
  readonly #external: ExternalResolver;

  constructor(text: string, options: ParseOptions) {
    this.#reader = new Reader(text);
    this.#external =
      options.external ??
      ((location) => {
        throw fail('EXTERNAL_MISSING', `"${location}" is needed, and the model was given as text alone`);
      });
  }

  whole<T>(parse: () => T): T {
    const result = parse();
    if (!this.#reader.atEnd) throw this.#reader.error('the text goes on after its end');
    return result;
  }

  model(): Model {
    const reader = this.#reader;
    const rest: Partial<Model> = {};
    const producer = { name: '', version: '' };
    if (reader.peek() === '<') {
      rest.irVersion = 0;
      rest.opsets = new Map();
      reader.enclosed('<', () => this.#modelEntry(rest, producer), '>');
    }
    const model = makeModel(this.graph(undefined), undefined, { ...rest, producer });
    while (!reader.atEnd) model.functions.push(this.#function());
    return model;
  }

  #modelEntry(model: Partial<Model>, producer: Model['producer']): void {
    const reader = this.#reader;
    const at = reader.position;
    const key = reader.word('a keyword');
    reader.expect(':');
    if (key === 'ir_version') model.irVersion = reader.integer('a version');
    else if (key === 'opset_import') model.opsets = this.#opsets();
    else if (key === 'producer_name') producer.name = reader.string();
    else if (key === 'producer_version') producer.version = reader.string();
    else if (key === 'domain') model.domain = reader.string();
    else if (key === 'model_version') model.version = this.#bigint();
    else if (key === 'doc_string') model.doc = reader.string();
    else if (key === 'metadata_props')
      model.metadata = new Map(reader.enclosed('[', () => parseEntry(reader), ']'));
    else throw reader.error(`"${key}" is no keyword of a model`, at);
  }

  #bigint(): bigint {
    const at = this.#reader.position;
    const { kind, text } = this.#reader.literal();
    const value = kind === 'int' ? BigInt(text) : undefined;
    if (value === undefined || value !== BigInt.asIntN(64, value))
      throw this.#reader.error('expected a whole number of 64 bits', at);
    return value;
  }

  #opsets(): Map<string, number> {
    const reader = this.#reader;
    const entries = reader.enclosed(
      '[',
      (): [string, number] => {
        const domain = reader.string();
        reader.expect(':');
        return [domain === 'ai.onnx' ? '' : domain, reader.integer('a version')];
      },
      ']',
    );
    return new Map(entries);
  }

  graph(name: string | undefined): Graph {
    const reader = this.#reader;
    const graph: Graph = {
      name: name ?? reader.name('the name of a graph'),
      inputs: [],
      outputs: [],
      nodes: [],
      initializers: new Map(),
      sparseInitializers: [],
      values: new Map(),
    };
    reader.enclosed('(', () => graph.inputs.push(this.#definition(graph)), ')');
    reader.expect('=>');
    graph.outputs = reader.enclosed('(', () => parseValueInfo(reader), ')');
    if (reader.peek() === '<') {
      const known = (): void => {
        const before = graph.initializers.size + graph.sparseInitializers.length;
        const info = this.#definition(graph);
        const grown = graph.initializers.size + graph.sparseInitializers.length > before;
        if (!grown) graph.values.set(info.name, info);
      };
      reader.enclosed('<', known, '>');
    }
    graph.nodes = this.#nodes();
    return graph;
  }

  /** `type? name`, and `= data` where it is an initializer. */
  #definition(graph: Graph): ValueInfo {
    const reader = this.#reader;
    const at = reader.position;
    const info = parseValueInfo(reader);
    if (!reader.takes('=')) return info;
    if (info.type.kind === 'sparse')
      graph.sparseInitializers.push(parseSparse(reader, info.type, info.name, this.#external));
    else if (graph.initializers.has(info.name)) throw reader.error(`"${info.name}" has data already`, at);
    else graph.initializers.set(info.name, parseData(reader, info.type, this.#external));
    return info;
  }

  #nodes(): Node[] {
    const reader = this.#reader;
    reader.expect('{');
    const nodes: Node[] = [];
    while (!reader.takes('}')) nodes.push(this.#node());
    return nodes;
  }

  #node(): Node {
    const reader = this.#reader;
    let name = '';
    if (reader.takes('[')) {
      if (reader.nameAhead) name = reader.name('a name');
      reader.expect(']');
    }
    const outputs = this.#names();
    reader.expect('=');
    const parts = parseQualified(reader);
    const op = parts.pop() ?? '';
    const domain = parts.join('.');
    const overload = reader.takes(':') ? reader.name('the name of an overload') : undefined;
    let attributes = this.#attributes();
    reader.expect('(');
    const inputs = this.#names();
    reader.expect(')');
    if (attributes.size === 0) attributes = this.#attributes();
    return { name, domain: domain === 'ai.onnx' ? '' : domain, op, inputs, outputs, attributes, overload };
  }

  /** Names with commas in between, where nothing before a comma, or "", is the absent one. */
  #names(): string[] {
    const reader = this.#reader;
    const names: string[] = [];
    do {
      if (reader.nameAhead) names.push(reader.name('a name'));
      else if (reader.peek() === ',') names.push('');
      else break;
    } while (reader.takes(','));
    return names;
  }

  #attributes(): Map<string, Attribute> {
    const reader = this.#reader;
    const attributes = new Map<string, Attribute>();
    if (!reader.takes('<')) return attributes;
    do {
      const at = reader.position;
      const name = reader.name('the name of an attribute');
      if (attributes.has(name)) throw reader.error(`attribute "${name}" is there already`, at);
      attributes.set(name, this.#attribute());
    } while (reader.takes(','));
    reader.expect('>');
    return attributes;
  }

  /** What follows the name of an attribute. */
  #attribute(): Attribute {
    const reader = this.#reader;
    const at = reader.position;
    const said = reader.takes(':') ? reader.word('a type of attribute') : undefined;
    if (said !== undefined && !Object.hasOwn(ATTRIBUTE_TYPE_NUMBERS, said))
      throw reader.error(`"${said}" is no type of attribute`, at);
    reader.expect('=');
    if (reader.takes('@')) {
      const refType =
        said === undefined ? 0 : ATTRIBUTE_TYPE_NUMBERS[said as keyof typeof ATTRIBUTE_TYPE_NUMBERS];
      return { type: 'reference', value: reader.name('the name of an attribute'), refType };
    }
    const single = (Object.keys(LIST_OF) as SingleType[]).find((type) => LIST_OF[type] === said);
    const found =
      reader.peek() === '[' ? this.#list(single) : this.#value(said === 'float' ? 'float' : undefined);
    if (said !== undefined && found.type !== said)
      throw reader.error(`the attribute is ${found.type}, not ${said}`, at);
    return found;
  }

  #list(wanted: SingleType | undefined): Attribute {
    const reader = this.#reader;
    const at = reader.position;
    const items = reader.enclosed('[', () => this.#value(wanted), ']');
    const type = items[0]?.type ?? wanted;
    if (type === undefined) throw reader.error('an empty list needs its type: "name: ints = []"', at);
    // 1 and 2.5 make a list of floats, as they would one by one under the annotation.
    const mixed = type !== 'string' && items.some((item) => item.type === 'float');
    const values = mixed
      ? items.map((item) => (item.type === 'int' ? asFloat(String(item.value)) : item))
      : items;
    const common = mixed ? 'float' : type;
    if (values.some((item) => item.type !== common))
      throw reader.error('the items of the list differ in type', at);
    return { type: LIST_OF[common], value: values.map((item) => item.value) } as Attribute;
  }

  #value(wanted: SingleType | undefined): Single {
    return this.#reader.deeper(() => this.#valueHere(wanted));
  }

  #valueHere(wanted: SingleType | undefined): Single {
    const reader = this.#reader;
    if (typeAhead(reader)) {
      const type = parseType(reader);
      if (type.kind === 'sparse' && reader.nameAhead) {
        const name = reader.name('a name');
        reader.expect('=');
        return { type: 'sparse_tensor', value: parseSparse(reader, type, name, this.#external) };
      }
      const hasData = reader.nameAhead || ['=', '{'].includes(reader.peek()) || reader.peek() === '.';
      if (!hasData) return { type: 'type_proto', value: type };
      return { type: 'tensor', value: parseNamedData(reader, type, this.#external) };
    }
    if (reader.peek() === '"') {
      const text = reader.string();
      return reader.peek() === '('
        ? { type: 'graph', value: this.graph(text) }
        : { type: 'string', value: text };
    }
    if (reader.peekWord() !== '' && !reader.numberWordAhead) {
      const word = reader.takeWord();
      if (word === BYTES_WORD && reader.peek() === '"') return { type: 'string', value: reader.hex() };
      return { type: 'graph', value: this.graph(word) };
    }
    const at = reader.position;
    const { kind, text } = reader.literal();
    if (kind === 'float' || wanted === 'float') {
      const float = asFloat(text);
      if (!Number.isFinite(float.value) && /\d/.test(text))
        throw reader.error(`${text} is too large for a float`, at);
      return float;
    }
    const value = BigInt(text);
    if (value !== BigInt.asIntN(64, value)) throw reader.error(`${text} does not fit into 64 bits`, at);
    const number = Number(value);
    return { type: 'int', value: Number.isSafeInteger(number) ? number : value };
  }

  #function(): FunctionDef {
    const reader = this.#reader;
    const fn: FunctionDef = {
      name: '',
      domain: '',
      inputs: [],
      outputs: [],
      attributes: [],
      defaults: new Map(),
      nodes: [],
      opsets: new Map(),
      values: new Map(),
    };
    if (reader.peek() === '<') reader.enclosed('<', () => this.#functionEntry(fn), '>');
    fn.name = reader.name('the name of a function');
    if (reader.peek() === '<') {
      const parameter = (): void => {
        const name = reader.name('the name of an attribute');
        if (reader.peek() === ':' || reader.peek() === '=') fn.defaults.set(name, this.#attribute());
        else fn.attributes.push(name);
      };
      reader.enclosed('<', parameter, '>');
    }
    const port = (): string => {
      const info = parseValueInfo(reader);
      if (info.type.kind !== 'unknown') fn.values.set(info.name, info);
      return info.name;
    };
    fn.inputs = reader.enclosed('(', port, ')');
    reader.expect('=>');
    fn.outputs = reader.enclosed('(', port, ')');
    if (reader.peek() === '<') {
      for (const info of reader.enclosed('<', () => parseValueInfo(reader), '>'))
        fn.values.set(info.name, info);
    }
    fn.nodes = this.#nodes();
    return fn;
  }

  #functionEntry(fn: FunctionDef): void {
    const reader = this.#reader;
    const at = reader.position;
    const key = reader.word('a keyword');
    reader.expect(':');
    if (key === 'opset_import') fn.opsets = this.#opsets();
    else if (key === 'domain') fn.domain = reader.string();
    else if (key === 'overload') fn.overload = reader.string();
    else if (key === 'doc_string') fn.doc = reader.string();
    else throw reader.error(`"${key}" is no keyword of a function`, at);
  }
}

function asFloat(text: string): Extract<Attribute, { type: 'float' }> {
  return { type: 'float', value: Math.fround(numberOf(text)) };
}
