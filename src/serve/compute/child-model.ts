import { openHere, type Session } from '../../run/index.ts';
import { stagedSession } from '../../staged/index.ts';
import type { ChildModel } from './messages.ts';

/** Opens what a child was told to, in its main thread: stages beside each other, so that samples go from one to the next without a message. */
export async function openChildModel({ settings, file, staged }: ChildModel): Promise<Session> {
  if (staged === undefined) return openHere(file, settings);
  const stages = await Promise.all(
    staged.stages.map(async ({ model, exit, ...stage }) => {
      const answers = new Set([...Object.values(stage.answers), exit?.scores]);
      // What is only carried on lies in memory that the next run writes again: one run at a time.
      const reuse = stage.carried.filter((name) => !answers.has(name));
      return {
        ...stage,
        ...(exit !== undefined && {
          exit: { ...exit, threshold: exit.threshold ?? Number.POSITIVE_INFINITY },
        }),
        session: await openHere(model, settings, reuse),
      };
    }),
  );
  return stagedSession(stages, { inputs: staged.inputs, outputs: staged.outputs });
}
