import { useEffect } from 'preact/hooks';
import type { Feed } from '../live/feed.ts';
import { useFeed } from '../live/use-feed.ts';
import { Overview } from '../overview/overview.tsx';
import { ReportPage } from '../report/report-page.tsx';
import { forgetKey, readKey } from '../server/key.ts';
import { TryPage } from '../try/try-page.tsx';
import { KeyDialog } from './key-dialog.tsx';
import { linkTo, PAGES, type PageName, useRoute } from './route.ts';
import { ThemeSwitch } from './theme-switch.tsx';

/** The frame of all pages. */
export function App({ feed }: { feed: Feed }) {
  const route = useRoute();
  const { link, snapshot } = useFeed(feed);
  const models = [...new Set(snapshot?.models.map((model) => model.name) ?? [])];
  const model = route.model ?? models[0];
  useEffect(() => {
    document.title = `${PAGES[route.page]} · Modicum`;
  }, [route.page]);
  const leave = () => {
    forgetKey();
    feed.start();
  };
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        To the content
      </button>
      <header class="bar">
        <a class="brand" href={linkTo('overview')}>
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" />
            <path d="M7 22V10.5l5.5 7 3.5-5 3.5 5 5.5-7V22" />
          </svg>
          Modicum
        </a>
        <nav aria-label="Pages">
          {(Object.keys(PAGES) as PageName[]).map((page) => (
            <a
              key={page}
              href={linkTo(page, page === 'overview' ? route.model : model)}
              aria-current={page === route.page ? 'page' : undefined}
            >
              {PAGES[page]}
            </a>
          ))}
        </nav>
        <div class="tools">
          {readKey() !== undefined && (
            <button type="button" class="button quiet" onClick={leave}>
              Forget key
            </button>
          )}
          <ThemeSwitch />
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        {route.page === 'overview' && <Overview feed={feed} route={route} />}
        {route.page === 'try' && <TryPage models={models} model={model} version={route.version} />}
        {route.page === 'report' && <ReportPage model={model} />}
      </main>
      <KeyDialog
        open={link.kind === 'locked'}
        why={link.kind === 'locked' ? link.why : ''}
        onKey={() => feed.start()}
      />
    </>
  );
}

function skip(): void {
  document.getElementById('content')?.focus();
}
