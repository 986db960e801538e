import { useEffect, useState } from 'preact/hooks';

export const PAGES = { overview: 'Overview', try: 'Try it', report: 'Report' } as const;
export type PageName = keyof typeof PAGES;

/** Where the page is: behind the "#", so that the server has one page only. */
export interface Route {
  readonly page: PageName;
  readonly model: string | undefined;
  readonly version: string | undefined;
}

export function routeOf(hash: string): Route {
  const [page = '', model = '', version = ''] = hash.replace(/^#\/?/, '').split('/').map(decoded);
  return {
    page: page in PAGES ? (page as PageName) : 'overview',
    model: model === '' ? undefined : model,
    version: version === '' ? undefined : version,
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function linkTo(page: PageName, model?: string, version?: string): string {
  const parts = [page, model, version].filter((part) => part !== undefined);
  return `#/${parts.map(encodeURIComponent).join('/')}`;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const listener = () => setRoute(routeOf(location.hash));
    addEventListener('hashchange', listener);
    return () => removeEventListener('hashchange', listener);
  }, []);
  return route;
}
