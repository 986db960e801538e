import { Random } from '../../base/index.ts';
import { attr, freshName, inferShapes, type Model, makeNode, Tensor } from '../../graph/index.ts';
import type { Term } from './objective.ts';

/** A learned map that is part of the step, and not of the model that is trained. */
export interface Projection {
  readonly term: Term;
  /** The projected prediction. */
  readonly value: string;
  /** Name of its weight, an initializer of the step's model. */
  readonly weight: string;
}

/**
 * Gives each term that asks for one a linear map from the width of its prediction to the teacher's along one axis: that axis
 * is moved to the end, multiplied, and moved back. The starting weights are small and the same for the same place.
 */
export function addProjections(
  model: Model,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  terms: readonly Term[],
): Projection[] {
  const { graph } = model;
  const inference = inferShapes(model, { inputShapes, strict: false, declared: false });
  return terms.flatMap((term, at): Projection[] => {
    if (term.project === undefined) return [];
    const dims = inference.get(term.prediction)?.shape as readonly number[];
    const { axis, width } = term.project;
    const own = dims[axis]!;
    const random = new Random(at + 1);
    const weight = freshName(graph, `projection.${at}`);
    const scale = Math.sqrt(1 / own);
    graph.initializers.set(
      weight,
      Tensor.float32(
        [own, width],
        Float32Array.from({ length: own * width }, () => random.normal() * scale),
      ),
    );
    const last = dims.length - 1;
    const there = dims.map((_, i) => i).filter((i) => i !== axis);
    const perm = [...there, axis];
    const back = dims.map((_, i) => perm.indexOf(i));
    const name = (what: string) => freshName(graph, `projection.${at}.${what}`);
    const [moved, mapped, value] = [name('moved'), name('mapped'), name('value')];
    const move = (from: string, to: string, order: number[]) =>
      axis === last
        ? makeNode('Identity', [from], [to], {}, { name: `${to}:node` })
        : makeNode('Transpose', [from], [to], { perm: attr.ints(order) }, { name: `${to}:node` });
    graph.nodes.push(
      move(term.prediction, moved, perm),
      makeNode('MatMul', [moved, weight], [mapped], {}, { name: `${mapped}:node` }),
      move(mapped, value, back),
    );
    return [{ term, value, weight }];
  });
}
