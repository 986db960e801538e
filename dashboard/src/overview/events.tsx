import type { SeriesEvent } from '../../../src/serve/observe/series.ts';
import { clock } from '../format.ts';

/** More would only be scrolled over. */
const SHOWN = 12;

/** What an operator should know, the newest first. */
export function Events({ events }: { events: readonly SeriesEvent[] }) {
  return (
    <section class="card" aria-labelledby="events-title">
      <header>
        <h3 id="events-title">Events</h3>
        <p>workers, models, reloads</p>
      </header>
      {events.length === 0 ? (
        <p class="empty">Nothing has happened.</p>
      ) : (
        <ol class="events">
          {events
            .slice(-SHOWN)
            .reverse()
            .map((event, i) => (
              <li key={`${event.at}-${i}`}>
                <time>{clock(event.at)}</time> <b>{event.kind}</b> <span class="quiet">{factsOf(event)}</span>
              </li>
            ))}
        </ol>
      )}
    </section>
  );
}

function factsOf({ facts }: SeriesEvent): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' · ');
}
