import { useEffect, useState } from 'preact/hooks';
import type { Feed, FeedState } from './feed.ts';

/** Draws the component again whenever the feed knows something new. */
export function useFeed(feed: Feed): FeedState {
  const [state, setState] = useState(feed.state);
  useEffect(() => {
    setState(feed.state);
    return feed.subscribe(() => setState(feed.state));
  }, [feed]);
  return state;
}
