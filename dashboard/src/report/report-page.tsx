import { useEffect, useState } from 'preact/hooks';
import { askJson } from '../server/ask.ts';
import { linkTo } from '../shell/route.ts';

/** Links by model; they hold for a few minutes where the server has keys. */
type Links = Readonly<Record<string, string>>;

/** How a model came to be: the report that `modicum optimize` wrote into its bundle. */
export function ReportPage({ model }: { model: string | undefined }) {
  const [links, setLinks] = useState<Links>();
  useEffect(() => {
    askJson<{ reports: Links }>('dashboard/reports').then(
      ({ reports }) => setLinks(reports),
      () => setLinks({}),
    );
  }, [model]);
  if (links === undefined) return <p class="card empty">Looking for reports.</p>;
  const names = Object.keys(links);
  const shown = model !== undefined && links[model] !== undefined ? model : undefined;
  if (shown === undefined) {
    return (
      <section class="card empty">
        <p>{model === undefined ? 'There is no report.' : `${model} has no report.`}</p>
        <p class="quiet">
          Bundles that `modicum optimize` wrote have one: every variant it measured, and why it chose.
        </p>
        {names.length > 0 && (
          <p>
            {names.map((name) => (
              <a key={name} class="button" href={linkTo('report', name)}>
                {name}
              </a>
            ))}
          </p>
        )}
      </section>
    );
  }
  return (
    <div class="report">
      <header class="title">
        <h2>Report of {shown}</h2>
        <nav aria-label="Reports">
          {names
            .filter((name) => name !== shown)
            .map((name) => (
              <a key={name} class="button" href={linkTo('report', name)}>
                {name}
              </a>
            ))}
          <a class="button" href={links[shown]} target="_blank" rel="noopener">
            Open alone
          </a>
        </nav>
      </header>
      {/* No permission at all: the report is a page of figures. */}
      <iframe title={`Report of ${shown}`} src={links[shown]} sandbox="" />
    </div>
  );
}
