// Colours and strokes of the charts, as CSS. Tokens change with the theme; Okabe–Ito hues stay apart for colour-blind eyes.

const light = `--paper:#fff;--ground:#f5f6f8;--ink:#17212b;--muted:#5a6673;--line:#dde2e8;--faint:#eef1f4;
--accent:#0067a8;--accent-soft:#d6e6f2;--warn:#ad4900;--warn-soft:#fbe9dc;--good:#0a7155;--good-soft:#dcf0e9;
--bad:#b3202c;--bad-soft:#fae1e2;--base:#8793a0;color-scheme:light;`

const dark = `--paper:#161d25;--ground:#0e1318;--ink:#e6ebf0;--muted:#9ba8b5;--line:#2d3844;--faint:#1f2831;
--accent:#5cb0ee;--accent-soft:#1c3a52;--warn:#f2a154;--warn-soft:#43301d;--good:#57c9a3;--good-soft:#17392f;
--bad:#ff8d8d;--bad-soft:#4a2327;--base:#7c8996;color-scheme:dark;`

/** The colour tokens: light, dark by preference or by data-theme, always light on paper. */
export const themeStyle: string = `:root{${light}}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){${dark}}}
:root[data-theme=dark]{${dark}}
@media print{:root,:root[data-theme=dark],:root:not([data-theme=light]){${light}}}
`

/** The classes that the charts use. */
export const chartStyle: string = `.chart{display:block;max-width:100%;height:auto;overflow:visible}
.chart text{font:12px/1.2 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;font-variant-numeric:tabular-nums;fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.chart .quiet{fill:var(--muted)}.chart .strong{font-weight:650}
.chart .end{text-anchor:end}.chart .mid{text-anchor:middle}
.chart .grid{stroke:var(--line);stroke-width:1}.chart .axis{stroke:var(--base);stroke-width:1}
.chart .accent{fill:var(--accent)}.chart .base{fill:var(--base)}.chart .warn{fill:var(--warn)}
.chart .soft{fill:var(--accent-soft)}.chart .faint{fill:var(--faint)}
.chart .wire{fill:none;stroke:var(--base);stroke-width:1.2;stroke-linejoin:round}
.chart .hollow{fill:var(--paper);stroke:var(--warn);stroke-width:2}
.chart .whisker{stroke:var(--ink);stroke-width:1.5;fill:none}
.chart .bound{stroke:var(--warn);stroke-width:1.5;stroke-dasharray:4 3}
.chart .mean{stroke:var(--ink);stroke-width:1.5;fill:none}
.chart .bars{stroke:var(--accent);fill:none}.chart .apart{stroke:var(--warn);fill:none}
.chart .dotted{fill:none;stroke:var(--ink);stroke-width:1.2;stroke-dasharray:1.5 2.5;opacity:.75}
.chart .dots{fill:none;stroke:var(--accent);stroke-width:5;stroke-linecap:round}
.chart .ghost{fill:none;stroke:var(--base);stroke-width:4;stroke-linecap:round;opacity:.6}
.chart .alarm{fill:var(--bad)}.chart .cross{fill:none;stroke:var(--bad);stroke-width:1.5}
.chart .badge{fill:var(--ink)}.chart .badge-text{stroke:none;fill:var(--paper);font-size:11px;font-weight:700;text-anchor:middle}
`

/** A chart as a file of its own, with its colours inside and a margin for what stands over its edges. */
export function standaloneSvg(svg: string): string {
  return svg.replace(
    /^<svg class="chart" width="(\d+)" height="(\d+)" viewBox="[^"]*" ([^>]*)>/,
    (_, width: string, height: string, words: string) => {
      const [wide, high] = [Number(width) + 2 * margin, Number(height) + 2 * margin]
      const size = `width="${wide}" height="${high}" viewBox="${-margin} ${-margin} ${wide} ${high}"`
      const style = `${themeStyle}${chartStyle}.chart{background:var(--paper)}`
      return `<svg xmlns="http://www.w3.org/2000/svg" class="chart" ${size} ${words}><style>${style}</style>`
    },
  )
}

const margin = 12
