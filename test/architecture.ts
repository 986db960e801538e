import { dirname, join, normalize } from 'node:path/posix';

/**
 * The floors of the house, lowest first. A room imports from lower floors only, never from its own floor's other
 * rooms. `index` is src/index.ts, the face of the whole package.
 */
export const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['graph'],
  ['files'],
  ['run', 'data', 'protocol'],
  ['staged', 'client'],
  ['bundle'],
  ['measure', 'transform', 'edge', 'cluster'],
  ['train', 'load'],
  ['exits', 'mix', 'tokens', 'think', 'report', 'serve'],
  ['optimize'],
  ['cli'],
  ['index'],
];

/** Where nothing of Node may be used: these must run in a browser too. */
const NO_NODE = [
  'src/graph/',
  'src/transform/',
  'src/protocol/',
  'src/client/',
  'src/edge/compile/',
  'src/edge/runtime/',
  'src/think/strategies/',
];

/** Where programs start. Workers and child processes are found by their `new URL`. */
const ENTRIES = ['src/index.ts', 'src/cli/main.ts'];

const MOST_LINES = 400;
/** Longer files, each with its reason. */
export const LONGER: Readonly<Record<string, string>> = {
  'src/graph/wire/onnx_pb.ts': 'generated from onnx.proto by protoc-gen-es',
  'src/protocol/wire/open_inference_grpc_pb.ts': 'generated from open_inference_grpc.proto by protoc-gen-es',
};

/** Files by path from the repository root, with their text. */
export type Tree = ReadonlyMap<string, string>;

/** Rooms that show another file than index.ts. The cli is a program; what others may take from it is its settings. */
const FACES: Readonly<Record<string, string>> = { cli: 'config.ts' };

/** Texts full of planted faults. */
const NOT_READ = ['test/architecture.ts', 'test/architecture.test.ts'];

interface Import {
  readonly from: string;
  /** What the source says. */
  readonly specifier: string;
  /** The file meant, for relative ones. */
  readonly target?: string;
  /** `new URL('./worker.js', import.meta.url)`: a program of its own, named as compiled. */
  readonly starts: boolean;
}

const IMPORT =
  /^[ \t]*(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'|^[ \t]*import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|new URL\(\s*'(\.[^']+\.js)'/gm;

function importsOf(from: string, text: string): Import[] {
  return [...text.matchAll(IMPORT)].map((match) => {
    const starts = match[4] !== undefined;
    const specifier = match[1] ?? match[2] ?? match[3] ?? match[4] ?? '';
    if (!specifier.startsWith('.')) return { from, specifier, starts };
    const path = normalize(join(dirname(from), specifier));
    return { from, specifier, starts, target: starts ? path.replace(/\.js$/, '.ts') : path };
  });
}

const isTest = (path: string) => path.endsWith('.test.ts');

function roomOf(path: string): string {
  const [, room = ''] = path.split('/');
  return room.endsWith('.ts') ? 'index' : room;
}

/** Everything that breaks a rule of the house, one line each; `dependencies` are those that package.json declares. */
export function breaches(tree: Tree, dependencies: ReadonlySet<string>): string[] {
  const sources = [...tree].filter(([path]) => path.startsWith('src/'));
  const product = sources.filter(([path]) => !isTest(path));
  const imports = product.flatMap(([path, text]) => importsOf(path, text));
  const everywhere = [...tree].flatMap(([path, text]) =>
    NOT_READ.includes(path) ? [] : importsOf(path, text),
  );
  return [
    ...rooms(product),
    ...floors(imports),
    ...faces(imports),
    ...circles(imports),
    ...nodeFree(imports),
    ...declared(imports, dependencies),
    ...extensions(everywhere, tree),
    ...lengths(tree),
    ...unreachable(product, imports),
  ];
}

const floorOf = (room: string) => FLOORS.findIndex((rooms) => rooms.includes(room));

function rooms(product: readonly (readonly [string, string])[]): string[] {
  const unknown = new Set(product.map(([path]) => roomOf(path)).filter((room) => floorOf(room) < 0));
  return [...unknown].map((room) => `room: src/${room} has no floor`);
}

function floors(imports: readonly Import[]): string[] {
  return imports.flatMap(({ from, target }) => {
    if (target === undefined || !target.startsWith('src/')) return [];
    const [mine, other] = [roomOf(from), roomOf(target)];
    if (mine === other || floorOf(other) < floorOf(mine)) return [];
    return [`floor: ${from} (${mine}) imports ${target} (${other}), which is not below it`];
  });
}

function faces(imports: readonly Import[]): string[] {
  return imports.flatMap(({ from, target }) => {
    if (target === undefined) return [];
    if (!target.startsWith('src/')) return [`face: ${from} imports ${target}, outside of src`];
    const room = roomOf(target);
    if (roomOf(from) === room || target === `src/${room}/${FACES[room] ?? 'index.ts'}`) return [];
    return [`face: ${from} imports ${target}, not the face of ${room}`];
  });
}

function circles(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, target, starts } of imports) {
    if (target !== undefined && !starts) next.set(from, [...(next.get(from) ?? []), target]);
  }
  const state = new Map<string, 'open' | 'done'>();
  const found: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      found.push(`circle: ${[...path.slice(path.indexOf(file)), file].join(' -> ')}`);
      return;
    }
    state.set(file, 'open');
    for (const target of next.get(file) ?? []) visit(target, [...path, file]);
    state.set(file, 'done');
  };
  for (const file of next.keys()) visit(file, []);
  return found;
}

function nodeFree(imports: readonly Import[]): string[] {
  return imports.flatMap(({ from, specifier }) => {
    const bad = specifier.startsWith('node:') && NO_NODE.some((folder) => from.startsWith(folder));
    return bad ? [`node: ${from} imports ${specifier}, and must run in browsers`] : [];
  });
}

function declared(imports: readonly Import[], dependencies: ReadonlySet<string>): string[] {
  return imports.flatMap(({ from, specifier }) => {
    if (/^(?:\.|node:)/.test(specifier)) return [];
    const [scope = '', name = ''] = specifier.split('/');
    const packageName = scope.startsWith('@') ? `${scope}/${name}` : scope;
    return dependencies.has(packageName)
      ? []
      : [`dependency: ${from} imports ${specifier}, which package.json lacks`];
  });
}

function extensions(imports: readonly Import[], tree: Tree): string[] {
  return imports.flatMap(({ from, specifier, target }) => {
    if (target === undefined) return [];
    if (!target.endsWith('.ts')) return [`extension: ${from} imports ${specifier} without .ts`];
    return tree.has(target) ? [] : [`missing: ${from} imports ${specifier}, which is not there`];
  });
}

function lengths(tree: Tree): string[] {
  return [...tree].flatMap(([path, text]) => {
    const lines = text.split('\n').length - 1;
    return lines > MOST_LINES && LONGER[path] === undefined ? [`length: ${path} has ${lines} lines`] : [];
  });
}

function unreachable(product: readonly (readonly [string, string])[], imports: readonly Import[]): string[] {
  const reached = new Set(ENTRIES);
  // A set grows while it is walked.
  for (const file of reached) {
    for (const { from, target } of imports) if (from === file && target !== undefined) reached.add(target);
  }
  return product.flatMap(([path]) =>
    reached.has(path) ? [] : [`unreachable: ${path} is imported by nothing that runs`],
  );
}
