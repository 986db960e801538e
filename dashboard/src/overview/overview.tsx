import { useEffect, useState } from 'preact/hooks';
import type { Feed, FeedState } from '../live/feed.ts';
import type { ModelView, Snapshot } from '../live/snapshot.ts';
import { useFeed } from '../live/use-feed.ts';
import type { Route } from '../shell/route.ts';
import { Events } from './events.tsx';
import { Keys } from './keys.tsx';
import { ModelDetail } from './model-detail.tsx';
import { ModelTable } from './model-table.tsx';
import { Toolbar, WINDOWS } from './toolbar.tsx';

/** All models in a table, and one of them in charts. */
export function Overview({ feed, route }: { feed: Feed; route: Route }) {
  const state = useFeed(feed);
  const [seconds, setSeconds] = useState<number>(WINDOWS[1].seconds);
  const [held, setHeld] = useState<FeedState>();
  const { snapshot, past } = held ?? state;
  useEffect(() => feed.watch(seconds), [feed, seconds]);
  const chosen = snapshot === undefined ? undefined : chosenOf(snapshot, route);
  const toggle = () => setHeld(held === undefined ? state : undefined);
  return (
    <>
      <Toolbar
        link={state.link}
        server={snapshot?.server}
        seconds={seconds}
        onSeconds={setSeconds}
        paused={held !== undefined}
        onPause={toggle}
      />
      {snapshot === undefined ? (
        <p class="card empty">Waiting for the first figures of the server.</p>
      ) : snapshot.models.length === 0 ? (
        <p class="card empty">No model is loaded.</p>
      ) : (
        <>
          <ModelTable snapshot={snapshot} seconds={seconds} chosen={chosen?.id} />
          {chosen !== undefined && (
            <ModelDetail key={chosen.id} model={chosen} snapshot={snapshot} past={past} seconds={seconds} />
          )}
          <div class="grid">
            {snapshot.keys.length > 0 && <Keys keys={snapshot.keys} />}
            <Events events={snapshot.events} />
          </div>
        </>
      )}
    </>
  );
}

/** The model that the address names; else the busiest, by what it has answered since it was loaded. */
function chosenOf({ models }: Snapshot, { model, version }: Route): ModelView | undefined {
  const named = models.filter((view) => view.name === model);
  const exact = named.find((view) => view.version === version) ?? named.at(-1);
  return exact ?? models.reduce((best, view) => (view.total.ok > best.total.ok ? view : best), models[0]!);
}
