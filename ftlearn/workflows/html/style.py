"""How a page looks: light and dark, on a phone, and on paper."""

from __future__ import annotations

from ftlearn.markup import Markup

STYLE = Markup("""
:root { color-scheme: light dark; --ink: #1b1b1f; --faint: #55565e; --paper: #ffffff;
  --line: #c9cad3; --panel: #f3f4f8; --link: #0a58a8; --shade: 0, 114, 178; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e9ee; --faint: #b3b4be;
  --paper: #15161a; --line: #43454f; --panel: #1f2127; --link: #86bdf5; --shade: 40, 130, 200; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 54rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 0.6rem; padding-top: 0.8rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.4rem 0 0.4rem; }
p, li { max-width: 44rem; }
.headline { font-size: 1.15rem; padding: 0.9rem 1.1rem; background: var(--panel);
  border-radius: 6px; max-width: none; }
.note, figcaption, caption { color: var(--faint); font-size: 0.92rem; }
.scroll { overflow-x: auto; margin: 0.9rem 0; }
table { border-collapse: collapse; font-size: 0.94rem; min-width: min(100%, 24rem); }
caption { text-align: left; padding-bottom: 0.4rem; max-width: calc(100vw - 2rem); }
th, td { padding: 0.3rem 0.7rem 0.3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
thead th { border-bottom: 2px solid var(--line); }
tbody th { font-weight: 500; }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.number, table.numbers thead th:not(:first-child) { text-align: right; }
table.numbers th:first-child { min-width: 6rem; }
td.text { min-width: 7rem; overflow-wrap: anywhere; }
table.facts { table-layout: fixed; width: 100%; }
table.facts th:first-child { width: 40%; }
table.counts td { padding: 0.35rem 0.6rem; text-align: right; border: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
table.counts thead th { text-align: right; }
table.counts th { max-width: 9rem; padding: 0.35rem 0.5rem; }
table.counts thead th:first-child { text-align: left; white-space: nowrap; max-width: none;
  padding-right: 1rem; }
td.s1 { background: rgba(var(--shade), 0.08); } td.s2 { background: rgba(var(--shade), 0.16); }
td.s3 { background: rgba(var(--shade), 0.25); } td.s4 { background: rgba(var(--shade), 0.35); }
td.s5 { background: rgba(var(--shade), 0.46); }
figure { margin: 0.9rem 0; }
img { display: block; width: 100%; height: auto; padding: 0.5rem; background: #ffffff;
  border: 1px solid var(--line); border-radius: 6px; }
figure.wide img { max-width: 38rem; }
figure.narrow img { max-width: 27rem; }
ol.errors { list-style: none; margin: 0; padding: 0; }
ol.errors > li { margin: 0 0 1rem; padding: 0.7rem 1rem; border-left: 4px solid var(--line);
  background: var(--panel); max-width: none; }
ol.errors p { margin: 0.2rem 0; }
.quoted { white-space: pre-wrap; }
dl.meanings { margin: 0.6rem 0; } dl.meanings > div { margin: 0.15rem 0; }
dl.meanings dt, dl.meanings dd { display: inline; margin: 0; }
dl.meanings dt { font-weight: 600; margin-right: 0.5rem; }
.full { overflow-wrap: anywhere; }
summary { cursor: pointer; }
summary:focus-visible, .scroll:focus-visible { outline: 2px solid var(--link);
  outline-offset: 2px; }
details > .full { display: block; margin: 0.4rem 0; max-height: 24rem; overflow-y: auto; }
@media (max-width: 480px) { table { font-size: 0.84rem; }
  th, td { padding-right: 0.45rem; } }
@media print { :root { --ink: #000; --faint: #333; --paper: #fff; --panel: #fff; --line: #999; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .scroll { overflow: visible; } details > .full { max-height: none; }
  h2, h3 { break-after: avoid; } figure, tr, ol.errors > li { break-inside: avoid; }
  td { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
""")
