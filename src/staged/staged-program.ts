import {
  type HostedProgram,
  type Packed,
  packFeeds,
  type SessionSettings,
  unpackFetches,
} from '../run/index.ts';
import type { OpenStage } from './open-stage.ts';
import { type StagedOptions, stagedSession } from './staged-session.ts';

/** What the thread of a staged model is opened with; its models are those of the stages, in order. */
export interface StagedArgument {
  readonly stages: readonly Omit<OpenStage, 'session'>[];
  readonly options: StagedOptions;
  readonly settings: Partial<SessionSettings>;
}

/** One call: feeds, and the outputs that are wanted. */
export interface StagedCall {
  readonly feeds: Packed;
  readonly outputs: readonly string[];
}

export interface StagedReply {
  readonly fetches: Packed;
  /** Samples that each stage has answered in this thread since it was opened. */
  readonly left: readonly number[];
}

/** All stages in one thread: samples go from one to the next without a message. */
export const host: HostedProgram = async (opener, argument) => {
  const { stages, options, settings } = argument as StagedArgument;
  const opened = await Promise.all(
    stages.map(async (stage, i): Promise<OpenStage> => {
      const answers = new Set([...Object.values(stage.answers), stage.exit?.scores]);
      const reuse = stage.carried.filter((name) => !answers.has(name));
      return { ...stage, session: await opener.session(i, settings, reuse) };
    }),
  );
  const session = stagedSession(opened, options);
  // What is carried lies in memory that the next call writes again, so calls come one after the other.
  let turn: Promise<unknown> = Promise.resolve();
  return {
    async call(request, transfer): Promise<StagedReply> {
      const { feeds, outputs } = request as StagedCall;
      const running = turn.then(() => session.run(unpackFetches(feeds), { outputs }));
      turn = running.catch(() => {});
      const fetches = await running;
      const { packed, transfer: buffers } = packFeeds(fetches, true);
      transfer.push(...buffers);
      return { fetches: packed, left: [...session.left] };
    },
    dispose: () => session.dispose(),
  };
};
