import { indexGraph, type Model, type Node } from '../../graph/index.ts';
import type { Role } from './group.ts';
import type { Traced } from './trace.ts';

/** How a constant is used. */
export interface Use {
  readonly node: Node;
  readonly role: (axis: number) => Role;
}

/** What the axes of each constant do in the first node that sums over one of them; biases and the like go along. */
export function rolesOf(model: Model, { axes, terms }: Traced): Map<string, Use> {
  const { producers, consumers } = indexGraph(model.graph);
  const uses = new Map<string, Use>();
  const visit = (name: string, read: Set<number>, made: Set<number>, node: Node) => {
    const maker = producers.get(name);
    if (maker !== undefined && maker.op !== 'Constant') {
      // A weight that is computed from constants: its parts play the same role.
      for (const input of maker.inputs) if (input !== '') visit(input, read, made, node);
      return;
    }
    if (uses.has(name)) return;
    const touches = (axis: number, of: Set<number>) => {
      const own = axes.get(name)?.[axis];
      return (
        own !== undefined && typeof own !== 'string' && terms.variables(own[0]!).some((one) => of.has(one))
      );
    };
    uses.set(name, {
      node,
      role: (axis) => (touches(axis, read) ? 'consumer' : touches(axis, made) ? 'producer' : 'along'),
    });
  };
  for (const node of model.graph.nodes) {
    for (const [input, [reading, making]] of Object.entries(SUMMED[node.op]?.(node) ?? {})) {
      const name = node.inputs[Number(input)] ?? '';
      const own = axes.get(name);
      if (own === undefined || !derived(name, producers, model)) continue;
      if (!producers.has(name) || producers.get(name)!.op === 'Constant') {
        const at = (place: number) => (place < 0 ? own.length + place : place);
        const role = (axis: number): Role =>
          axis === at(reading) ? 'consumer' : axis === at(making) ? 'producer' : 'along';
        if (!uses.has(name)) uses.set(name, { node, role });
        continue;
      }
      const all = (at: number) => {
        const axis = own.at(at);
        const found = new Set<number>();
        if (axis !== undefined && typeof axis !== 'string') {
          for (const term of axis) for (const variable of terms.variables(term)) found.add(variable);
        }
        return found;
      };
      visit(name, all(reading), all(making), node);
    }
  }
  for (const name of axes.keys()) {
    const reader = consumers.get(name)?.[0];
    if (reader === undefined || uses.has(name)) continue;
    const table = reader.op === 'Gather' && reader.inputs[0] === name;
    uses.set(name, { node: reader, role: () => (table ? 'producer' : 'along') });
  }
  return uses;
}

/** True where a value depends on constants alone. */
function derived(name: string, producers: ReadonlyMap<string, Node>, model: Model): boolean {
  if (name === '' || model.graph.initializers.has(name)) return true;
  const maker = producers.get(name);
  return maker?.inputs.every((input) => derived(input, producers, model)) ?? false;
}

/** For inputs that may be weights: the axis that is summed over and the one that makes channels. */
const SUMMED: Readonly<
  Record<string, (node: Node) => Readonly<Record<number, readonly [read: number, made: number]>>>
> = {
  Conv: () => ({ 1: [1, 0] }),
  ConvTranspose: () => ({ 1: [0, 1] }),
  MatMul: () => ({ 0: [-1, -2], 1: [-2, -1] }),
  Gemm: (node) => {
    const flag = (name: string) => Number(node.attributes.get(name)?.value ?? 0) !== 0;
    return { 0: flag('transA') ? [0, 1] : [1, 0], 1: flag('transB') ? [1, 0] : [0, 1] };
  },
  RNN: () => ({ 1: [2, 1], 2: [2, 1] }),
  GRU: () => ({ 1: [2, 1], 2: [2, 1] }),
  LSTM: () => ({ 1: [2, 1], 2: [2, 1] }),
};
