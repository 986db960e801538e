import { fail, ModicumError } from '../../base/index.ts';
import {
  constantOf,
  indexGraph,
  labelOf,
  type Model,
  type Node,
  namer,
  walkGraphs,
} from '../../graph/index.ts';
import { EXACT, type Notes, rewriting } from '../rewriting.ts';
import { typesOf } from '../types.ts';
import { STEPS } from './steps.ts';
import { Unconvertible, upgradeAt } from './upgrade.ts';

export interface UpgradeOptions {
  /** The version of ai.onnx to reach; a model that has it or a newer one is left as it is. Default 13. */
  readonly to: number;
  /** False: a model that cannot be said in it stays as it is, with a note that says why. Default true: that is an error. */
  readonly required: boolean;
}

/** The newest version that is converted to. */
export const NEWEST_OPSET = 21;

/** The IR version that a version of ai.onnx needs at least (onnx/docs/Versioning.md). */
function irVersionFor(opset: number): number {
  const table = [
    [21, 10],
    [19, 9],
    [15, 8],
    [12, 7],
    [11, 6],
    [10, 5],
    [9, 4],
  ] as const;
  return table.find(([from]) => opset >= from)?.[1] ?? 3;
}

/**
 * Says a model in a newer opset: quantized operators per channel need 13, 4-bit ones 21. Throws OPSET_NOT_CONVERTED, naming
 * the node, where an operator cannot be said in it; the model is left as it was.
 */
export const upgradeOpset = rewriting<UpgradeOptions>({
  name: 'upgrade-opset',
  summary: 'says the model in a newer opset, as far as quantized operators need it',
  defaults: { to: 13, required: true },
  error: EXACT,
  rewrite(model, notes, { to, required }) {
    const from = model.opsets.get('') ?? model.opsets.get('ai.onnx');
    if (from === undefined || from >= to) return false;
    if (!Number.isInteger(to) || to > NEWEST_OPSET) {
      throw fail('USAGE_BAD_OPTION', `opset ${to} is not from 7 to ${NEWEST_OPSET}`);
    }
    try {
      if (model.functions.length > 0) {
        throw fail('OPSET_NOT_CONVERTED', 'the model has functions of its own, which name their own opsets');
      }
      for (let version = from + 1; version <= to; version++) upgradeTo(model, version, notes);
    } catch (cause) {
      if (required || !(cause instanceof ModicumError) || cause.code !== 'OPSET_NOT_CONVERTED') throw cause;
      notes.all.length = 0;
      notes.all.push({ node: 'the whole model', op: '', action: 'refused', why: cause.message });
      return false;
    }
    model.irVersion = Math.max(model.irVersion, irVersionFor(to));
    return true;
  },
});

function upgradeTo(model: Model, version: number, notes: Notes): void {
  const rules = STEPS[version];
  const touched = (node: Node) => node.domain === '' && rules !== undefined && Object.hasOwn(rules, node.op);
  const graphs = [...walkGraphs(model.graph)].filter((graph) => graph.nodes.some(touched));
  if (graphs.length > 0) {
    const types = typesOf(model);
    const fresh = namer(model.graph);
    for (const graph of graphs) {
      const index = indexGraph(graph);
      const at = upgradeAt(graph, types, fresh, (name) => constantOf(graph, name, index));
      graph.nodes = graph.nodes.flatMap((node) => {
        if (!touched(node)) return [node];
        try {
          const nodes = rules![node.op]!(node, at);
          notes.changed(node, `said as in opset ${version}`);
          return nodes;
        } catch (cause) {
          if (!(cause instanceof Unconvertible)) throw cause;
          throw fail(
            'OPSET_NOT_CONVERTED',
            `${labelOf(node)}: ${cause.message}`,
            { node: labelOf(node), version },
            cause,
          );
        }
      });
    }
  }
  model.opsets.set('', version);
}
