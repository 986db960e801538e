import type { ServerFacts } from '../../../src/serve/observe/series.ts';
import { bytes, percent, span } from '../format.ts';
import type { Link } from '../live/feed.ts';

export const WINDOWS = [
  { seconds: 60, label: '1 min' },
  { seconds: 300, label: '5 min' },
  { seconds: 900, label: '15 min' },
] as const;

/** What the state of the connection is called, and how it is coloured. */
function said(link: Link, paused: boolean): { text: string; color: string } {
  if (paused) return { text: 'Paused', color: 'warm' };
  switch (link.kind) {
    case 'connecting':
      return { text: 'Connecting', color: 'plain' };
    case 'live':
      return { text: 'Live', color: 'good' };
    case 'polled':
      return { text: 'Every 2 s', color: 'good' };
    case 'lost':
      return { text: `Connection lost: ${link.why}`, color: 'bad' };
    case 'locked':
      return { text: 'Key needed', color: 'warm' };
  }
}

export function Toolbar(props: {
  link: Link;
  server: ServerFacts | undefined;
  seconds: number;
  onSeconds: (seconds: number) => void;
  paused: boolean;
  onPause: () => void;
}) {
  const { link, server, seconds, onSeconds, paused, onPause } = props;
  const { text, color } = said(link, paused);
  return (
    <div class="toolbar">
      <p class="link" role="status">
        <i class={`dot ${color}`} />
        {text}
      </p>
      {server !== undefined && (
        <p class="facts">
          <span>{server.ready ? 'Ready' : 'Not ready'}</span>
          <span>up {span(server.now - server.startedAt)}</span>
          <span>
            {percent(server.busy)} of {server.cores} {server.cores === 1 ? 'core' : 'cores'} busy
          </span>
          <span>{bytes(server.memory)} memory</span>
        </p>
      )}
      <div class="tools">
        <fieldset class="segments">
          <legend class="hidden">Time range</legend>
          {WINDOWS.map((window) => (
            <label key={window.seconds}>
              <input
                type="radio"
                name="window"
                checked={window.seconds === seconds}
                onChange={() => onSeconds(window.seconds)}
              />
              <span>{window.label}</span>
            </label>
          ))}
        </fieldset>
        <button type="button" class="button" aria-pressed={paused} onClick={onPause}>
          {paused ? 'Resume' : 'Pause'}
        </button>
      </div>
    </div>
  );
}
