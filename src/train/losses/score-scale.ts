import { bind, type Dataset, planBatch } from '../../data/index.ts';
import { cloneModel, type Model } from '../../graph/index.ts';
import { openSession, type Session } from '../../run/index.ts';
import { scoresOf, type Unmake } from '../loop/teacher.ts';

/** Scores of a trained classifier lie about so far apart; those that lie further are brought to it. */
const SPREAD = 8;
/** A student whose scores are of the teacher's size within this is a copy of it, and keeps that size. */
const ALIKE = 10;
const SAMPLES = 256;

/**
 * The factors that bring the scores of teacher and student to the spread that a softmax is made for: 1 for scores within it, and for
 * a student that is not trained yet, which learns scores of the usual size.
 */
export async function scalesOf(
  teacher: Session,
  output: string,
  unmake: Unmake,
  student: Model,
  scores: string,
  data: Dataset,
): Promise<{ readonly scale: number; readonly targetScale: number }> {
  const spread = await spreadOf(teacher, output, unmake, data);
  if (!(spread > SPREAD)) return { scale: 1, targetScale: 1 };
  const own = await spreadOfModel(student, scores, data);
  return { scale: own * ALIKE > spread ? SPREAD / own : 1, targetScale: SPREAD / spread };
}

async function spreadOfModel(model: Model, scores: string, data: Dataset): Promise<number> {
  const copy = cloneModel(model);
  copy.graph.outputs = [{ name: scores, type: { kind: 'unknown' } }];
  const session = await openSession(copy);
  try {
    return await spreadOf(session, scores, 'none', data);
  } finally {
    await session.dispose();
  }
}

/** How far the scores of a sample lie apart: the deviation over the classes, the mean over some samples. */
async function spreadOf(session: Session, output: string, unmake: Unmake, data: Dataset): Promise<number> {
  const count = Math.min(SAMPLES, data.size);
  const indices = Array.from({ length: count }, (_, i) => Math.floor((i * data.size) / count));
  const { batch } = planBatch(data, session.inputs, 64, { samples: count });
  let [sum, rows] = [0, 0];
  for await (const { feeds } of bind(data, session.inputs, { batch, indices })) {
    const tensor = (await session.run(feeds, { outputs: [output] }))[output]!;
    const values = scoresOf(tensor, unmake);
    const width = Math.max(1, tensor.dims.at(-1) ?? 1);
    for (let at = 0; at < values.length; at += width) {
      const row = values.subarray(at, at + width);
      // A single score stands against nothing: its size is its spread.
      const mean = width === 1 ? 0 : row.reduce((a, b) => a + b, 0) / width;
      sum += Math.sqrt(row.reduce((all, value) => all + (value - mean) ** 2, 0) / width);
      rows++;
    }
  }
  return rows === 0 ? 0 : sum / rows;
}
