import type { Node } from '../../graph/index.ts';

/** Which nodes stay in float. Every quantizing pass takes these; they are respected exactly. */
export interface Selection {
  /** Node names. */
  readonly exclude?: readonly string[];
  /** Operators, as "Conv" or "com.microsoft:Gelu". */
  readonly excludeOps?: readonly string[];
  /** Regular expressions (unanchored) over node names. */
  readonly excludePatterns?: readonly string[];
  /** Leaves the first so many quantizable Conv, Gemm and MatMul nodes (in graph order) in float. */
  readonly keepFirst?: number;
  /** Leaves the last so many in float. */
  readonly keepLast?: number;
  /** Only these node names are quantized; the rest of the rules still hold. */
  readonly only?: readonly string[];
}

/**
 * Says why a node is to stay in float, or undefined where nothing is said against it. `fused`: the node is a Relu, Clip or Add that
 * becomes part of the one before it; it holds that one back where it is named itself (by name or pattern) alone.
 */
export type Excluded = (node: Node, fused?: boolean) => string | undefined;

/**
 * The rules of a selection as a function. `heavy` are the nodes that keepFirst and keepLast count.
 * A pattern that is no regular expression is matched as plain text.
 */
export function excluder(selection: Selection, heavy: readonly Node[]): Excluded {
  const names = new Set(selection.exclude);
  const ops = new Set(selection.excludeOps);
  const patterns = (selection.excludePatterns ?? []).map(toPattern);
  const only = selection.only === undefined ? undefined : new Set(selection.only);
  const { keepFirst = 0, keepLast = 0 } = selection;
  const first = new Set(heavy.slice(0, keepFirst));
  const last = new Set(keepLast > 0 ? heavy.slice(-keepLast) : []);
  return (node, fused = false) => {
    if (names.has(node.name)) return 'excluded by name';
    const pattern = patterns.find((one) => one.test(node.name));
    if (pattern !== undefined) return `excluded by pattern ${pattern.source}`;
    if (fused) return undefined;
    const op = node.domain === '' ? node.op : `${node.domain}:${node.op}`;
    if (ops.has(op)) return `excluded by operator ${op}`;
    if (only !== undefined && !only.has(node.name)) return 'not among the nodes asked for';
    if (first.has(node)) return `one of the first ${keepFirst}`;
    if (last.has(node)) return `one of the last ${keepLast}`;
    return undefined;
  };
}

function toPattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  }
}

/** Names of the selection that no node bears: a misspelt exclusion must not be silent. */
export function unknownNames(selection: Selection, nodes: readonly Node[]): string[] {
  const known = new Set(nodes.map((node) => node.name));
  return [...(selection.exclude ?? []), ...(selection.only ?? [])].filter((name) => !known.has(name));
}
