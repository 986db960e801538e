import { PAGE_CSS, tabCss } from './page.css.ts';

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML. */
export function esc(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ESCAPES[char]!);
}

/** A titled sheet of the page. */
export function section(title: string, intro: string, body: string): string {
  return `<section><h2>${esc(title)}</h2>${intro === '' ? '' : `<p>${esc(intro)}</p>`}${body}</section>`;
}

/** A self-contained page, without script: its parts one below the other, empty ones left out. */
export function page(title: string, parts: readonly string[]): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${esc(title)}</title><style>${PAGE_CSS}${tabCss(4)}</style></head>
<body><main>
${parts.filter((part) => part !== '').join('\n')}
</main></body></html>
`;
}
