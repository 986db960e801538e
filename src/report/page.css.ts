/** The style of a report: one light sheet, readable on paper. */
export const PAGE_CSS = `
:root { color-scheme: light; --ink: #1f2933; --quiet: #616e7c; --line: #e4e7eb; --good: #0b7a75; --bad: #b44d12; --soft: #f5f7fa; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--soft); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 32px 24px 64px; }
header h1 { font-size: 15px; font-weight: 600; color: var(--quiet); margin: 0 0 6px; overflow-wrap: anywhere; }
header p.verdict { font-size: 22px; line-height: 1.35; margin: 0 0 20px; max-width: 46em; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; margin-bottom: 28px; }
.tile { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; }
.tile b { display: block; font-size: 24px; font-weight: 650; font-variant-numeric: tabular-nums; }
.tile span { display: block; color: var(--quiet); font-size: 12.5px; }
.tile.good b { color: var(--good); } .tile.bad b { color: var(--bad); }
section { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 20px 24px; margin-bottom: 20px; overflow-x: auto; }
h2 { font-size: 17px; margin: 0 0 4px; } h3 { font-size: 14px; margin: 18px 0 4px; color: var(--quiet); }
section > p { margin: 0 0 12px; color: var(--quiet); max-width: 60em; }
svg { width: 100%; min-width: 640px; height: auto; display: block; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--quiet); border-bottom: 1px solid var(--line); padding: 6px 10px 6px 0; white-space: nowrap; vertical-align: bottom; }
td { border-bottom: 1px solid var(--line); padding: 6px 10px 6px 0; vertical-align: top; }
td:not(.n) { overflow-wrap: anywhere; min-width: 8em; } tr.why td { min-width: 0; }
td.n, th.n { text-align: right; white-space: nowrap; } td small { color: var(--quiet); display: block; white-space: nowrap; }
tr.chosen td { background: #eef8f7; } tr.rejected td, tr.dominated td { color: var(--quiet); }
tr.why td { border-top: 0; padding-top: 0; color: var(--quiet); font-size: 12px; } tr:has(+ tr.why) td { border-bottom: 0; }
tr.chosen td:first-child { box-shadow: inset 3px 0 var(--good); padding-left: 8px; }
.badge { display: inline-block; border-radius: 9px; padding: 0 8px; font-size: 11px; line-height: 18px; background: var(--line); color: var(--ink); }
.badge.chosen { background: var(--good); color: #fff; } .badge.baseline { background: var(--bad); color: #fff; } .badge.front { background: #3e6fb0; color: #fff; }
.tabs > input { position: absolute; opacity: 0; pointer-events: none; }
.tabs > label { display: inline-block; padding: 4px 12px; border: 1px solid var(--line); border-radius: 14px; font-size: 12.5px; cursor: pointer; margin: 0 6px 10px 0; }
.tabs > div { display: none; }
.tabs > input:focus-visible + label { outline: 2px solid var(--good); }
details summary { cursor: pointer; color: var(--quiet); margin: 6px 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 0; font-size: 13px; } dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 600px) { main { padding: 20px 12px 40px; } section { padding: 16px; } .tiles { grid-template-columns: repeat(2, 1fr); } header p.verdict { font-size: 18px; } dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; } }
@media print { body { background: #fff; } section, .tile { break-inside: avoid; } details > * { display: block; } }
`;

/** Shows the panel of the chosen tab, for up to n tabs. */
export function tabCss(n: number): string {
  return Array.from(
    { length: n },
    (_, i) =>
      `.tabs > input:nth-of-type(${i + 1}):checked ~ div:nth-of-type(${i + 1}) { display: block; } ` +
      `.tabs > input:nth-of-type(${i + 1}):checked + label { background: var(--ink); color: #fff; }`,
  ).join('\n');
}
