import type { ModelNow } from '../../../src/serve/observe/series.ts';
import { percent } from '../format.ts';

const COLORS = { READY: 'good', LOADING: 'warm', UNLOADING: 'warm', UNAVAILABLE: 'bad' } as const;
const WORDS = {
  READY: 'ready',
  LOADING: 'loading',
  UNLOADING: 'leaving',
  UNAVAILABLE: 'unavailable',
} as const;

/** Whether a model answers, and its part of the requests where it has not all. */
export function State({ now }: { now: ModelNow }) {
  const { state, reason, share } = now;
  return (
    <span class={`badge ${COLORS[state]}`} title={reason}>
      {WORDS[state]}
      {state === 'READY' && share > 0 && share < 1 ? ` · ${percent(share)} of requests` : ''}
    </span>
  );
}
