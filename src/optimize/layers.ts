import type { Dataset } from '../data/index.ts';
import type { Model } from '../graph/index.ts';
import type { LayerTime, Story } from '../report/index.ts';
import { openSession, profileNodes } from '../run/index.ts';
import { FeedStore } from './feed-store.ts';
import type { Variant } from './variant.ts';

const RUNS = 30;

/** Per-layer time of the model as given and of what is shipped: one sample, one thread, the runtime's own profile. */
export async function layersOf(
  original: string,
  shipped: Variant,
  data: Dataset,
  signal?: AbortSignal,
): Promise<Story['layers']> {
  const feeds = new FeedStore(data);
  const times = async (model: Model | string): Promise<LayerTime[]> => {
    const session = await openSession(model, { threads: 1 });
    const batch = feeds.batchFor(session.inputs, 1);
    const [first] = await feeds.feeds(session.inputs, batch);
    await session.dispose();
    if (first === undefined) return [];
    const nodes = await profileNodes(model, first, { threads: 1 }, { runs: RUNS, signal });
    return nodes.map(({ name, op, microseconds }) => ({ name, op, us: microseconds }));
  };
  return { before: await times(original), after: await times(shipped.model) };
}
