// The look of the page: calm, wide margins, figures in columns, readable on a phone, in the dark and on paper.
import { chartStyle, themeStyle } from '../charts/index.ts'

const base = `*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-padding-top:16px}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;font-variant-numeric:tabular-nums}
main,.top{max-width:1160px;margin:0 auto;padding:0 28px}
main{padding-bottom:72px}
h1,h2,h3,p,ul,ol,dl,dd,figure{margin:0}
ul{padding-left:1.15em}
a{color:var(--accent);text-underline-offset:2px}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
h3{font-size:15px;font-weight:650;margin:32px 0 10px}
code{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
.name{overflow-wrap:anywhere}
.num{font-variant-numeric:tabular-nums;white-space:nowrap}
.top{display:flex;justify-content:space-between;gap:16px;padding-top:22px;padding-bottom:18px;font-size:14px;color:var(--muted)}
.brand{font-weight:700;color:var(--ink);letter-spacing:-.01em}
.brand span{font-weight:400;color:var(--muted);margin-left:6px}
`

const verdict = `.verdict{background:var(--paper);border:1px solid var(--line);border-left:8px solid var(--tone);border-radius:12px;padding:30px 34px 28px}
.verdict.good{--tone:var(--good)}.verdict.mixed{--tone:var(--warn)}.verdict.bad{--tone:var(--bad)}
.tone{color:var(--tone);font-weight:650;font-size:15px;margin-bottom:8px}
h1::first-letter{text-transform:uppercase}
h1{font-size:clamp(23px,3.1vw,34px);line-height:1.22;font-weight:680;letter-spacing:-.018em;text-wrap:balance;overflow-wrap:anywhere}
.title{color:var(--muted);margin-top:12px;overflow-wrap:anywhere}
.verdict.dead{background:#8f1420;border-color:#8f1420;color:#fff;--tone:#fff}
.dead .tone{font-size:19px;text-transform:uppercase;letter-spacing:.04em}.dead .title{color:#ffd9dc}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(260px,1fr));gap:16px;margin-top:16px}
.answer{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:20px 24px 22px;--mark:var(--muted);--back:var(--faint)}
.answer.yes{--mark:var(--good);--back:var(--good-soft)}.answer.no{--mark:var(--bad);--back:var(--bad-soft)}.answer.unclear{--mark:var(--warn);--back:var(--warn-soft)}
.answer header{display:flex;justify-content:space-between;align-items:center;gap:12px}
.answer h2{font-size:16px;font-weight:600}
.dead+.answers .answer.yes{--mark:var(--muted);--back:var(--faint)}
.pill{background:var(--back);color:var(--mark);border-radius:99px;padding:2px 12px;font-size:14px;font-weight:650;white-space:nowrap}
.hero{font-size:17px;color:var(--muted);margin-top:14px;line-height:1.2}
.hero b{font-size:40px;font-weight:680;letter-spacing:-.025em;color:var(--ink);white-space:nowrap;margin-right:4px}
.figures{margin-top:10px;font-size:15px}
.repairs{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:20px 24px 18px;margin-top:16px}
.repairs h2{font-size:16px;font-weight:600}.repairs h2::first-letter{text-transform:uppercase}.repairs .lead{font-size:15px;margin:6px 0 12px}
.hurt{list-style:none;display:flex;flex-wrap:wrap;gap:4px 26px;font-size:14px;margin:6px 0 0;padding:0}
.next{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:16px 48px;padding:30px 6px 4px}
.next h2{font-size:16px;font-weight:650;margin-bottom:8px}
.next li{margin-bottom:6px}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:0 48px;font-size:15px}
.facts div{display:grid;grid-template-columns:minmax(110px,2fr) 5fr;gap:16px;padding:5px 0;border-bottom:1px solid var(--line)}
.files{grid-template-columns:1fr}.facts dt{color:var(--muted)}.facts dd{overflow-wrap:anywhere}
`

const sections = `nav{display:flex;flex-wrap:wrap;gap:6px 22px;margin:26px 6px 0;padding-top:18px;border-top:1px solid var(--line);font-size:14px}
nav a{text-decoration:none}nav a:hover{text-decoration:underline}
main>section[id]:not(.verdict){background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:30px 34px 34px;margin-top:24px}
main>section[id]>h2{font-size:22px;font-weight:680;letter-spacing:-.012em;margin-bottom:8px}
.lead{color:var(--muted);max-width:76ch;font-size:15px;margin-bottom:18px}
section>figure{margin-top:26px}
section>figure+figure{margin-top:44px}
figcaption{font-weight:650;margin-bottom:6px}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:36px 40px;margin:22px 0 26px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:20px 48px}
.panel{min-width:0}.panel figcaption{font-size:14px;margin-bottom:12px;overflow-wrap:anywhere}
.panel .chart{width:100%;max-width:420px}
.panel figcaption a{color:inherit;text-decoration-color:var(--line)}.panel figcaption .num{color:var(--muted);font-weight:400}
.layer{border-top:1px solid var(--line);padding-top:24px}.layer>.under{margin:0 0 14px}
.layer>figcaption a{color:inherit}.layer>figcaption .num{color:var(--muted);font-weight:400;font-size:14px}
.technique.dropped td{color:var(--muted)}td .tag{margin-left:4px}
.under{font-size:14px;color:var(--muted);margin-top:8px}
.narrow{display:none}
.worst{list-style:none;padding:0;margin-top:16px;font-size:14px}
.worst li{display:grid;grid-template-columns:20px 66px minmax(0,1fr);gap:12px;align-items:baseline;padding:5px 0;border-bottom:1px solid var(--line)}
.worst .num{text-align:right}.worst .badge{background:var(--ink);color:var(--paper);border-radius:99px;width:20px;height:20px;font-size:11px;line-height:20px;text-align:center}
.reasons{margin-top:14px;font-size:14px}
.reasons>div{display:grid;grid-template-columns:minmax(0,5fr) minmax(0,6fr);gap:8px 28px;padding:9px 0;border-bottom:1px solid var(--line)}
.reasons ul{list-style:none;padding:0}
details{font-size:14px}summary{cursor:pointer;color:var(--accent);padding:4px 0}
.steps{list-style:none;padding:0;counter-reset:step}
.steps>li{counter-increment:step;position:relative;padding:13px 0 13px 44px;border-bottom:1px solid var(--line);font-size:14px}
.steps>li::before{content:counter(step);position:absolute;left:0;top:13px;width:26px;height:26px;border-radius:99px;background:var(--faint);text-align:center;line-height:26px;font-weight:650;font-size:13px}
.steps .step{font-size:15px}.steps ul{margin-top:4px;color:var(--muted);overflow-wrap:anywhere}
.steps .meta{color:var(--muted);font-size:14px}.dropped b{font-weight:500;color:var(--muted)}
.tag{display:inline-block;border-radius:99px;padding:0 9px;font-size:12.5px;font-weight:650;line-height:20px;white-space:nowrap;background:var(--accent-soft);color:var(--accent)}
.tag.yes{background:var(--good-soft);color:var(--good)}.tag.no{background:var(--faint);color:var(--muted)}
.notes li{margin-bottom:6px;overflow-wrap:anywhere}
pre{position:relative;background:var(--faint);border-radius:8px;padding:16px 18px;margin:0;max-height:420px;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere}
pre.copy{padding-right:92px}
pre button{position:absolute;top:10px;right:10px;font:600 13px/1 system-ui,sans-serif;padding:8px 12px;color:var(--accent);background:var(--paper);border:1px solid var(--line);border-radius:6px;cursor:pointer}
`

const tables = `.scroll{overflow:auto;border-top:1px solid var(--line);border-bottom:1px solid var(--line);background:linear-gradient(to right,var(--paper) 40%,transparent) left/40px 100%,linear-gradient(to left,var(--paper) 40%,transparent) right/40px 100%,linear-gradient(to right,var(--shade),transparent) left/14px 100%,linear-gradient(to left,var(--shade),transparent) right/14px 100%;background-repeat:no-repeat;background-attachment:local,local,scroll,scroll;--shade:color-mix(in srgb,var(--ink) 22%,transparent)}
.tall{max-height:min(80vh,900px);scrollbar-width:thin;border:1px solid var(--line);border-radius:8px;padding-left:12px}
.rows{font-size:14px;color:var(--muted);margin-bottom:8px}.idle{font-size:14px;color:var(--muted);margin-top:14px}
td:first-child:not(.fig){min-width:15ch}
.slim{width:fit-content;max-width:100%}.slim td:first-child{min-width:28ch}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;vertical-align:top;padding:8px 12px 8px 0;border-bottom:1px solid var(--line)}
tbody tr:last-child td{border-bottom:0}
th{position:sticky;top:0;background:var(--paper);box-shadow:inset 0 -1px var(--line);color:var(--muted);font-weight:600;white-space:nowrap;z-index:1}
td:last-child,th:last-child{padding-right:6px}
.fig{text-align:right;white-space:nowrap}
td .name{display:inline-block;min-width:14ch;max-width:46ch}
.tight{white-space:nowrap}
td small{color:var(--muted);font-size:13px}
.int{color:var(--accent);white-space:nowrap}.flt{color:var(--warn);white-space:nowrap}
tr.kept td{font-weight:650}
tr:target td{background:var(--accent-soft)}
th button{all:unset;cursor:pointer}th button:focus-visible{outline:2px solid var(--accent)}
th button{text-decoration:underline dotted;text-underline-offset:4px}th button:hover{color:var(--ink)}
th[aria-sort] button{color:var(--ink)}th[aria-sort=ascending] button::after{content:" ↑"}th[aria-sort=descending] button::after{content:" ↓"}
`

const media = `@media (max-width:720px){main,.top{padding-left:14px;padding-right:14px}
.verdict,main>section[id]:not(.verdict){padding:22px 18px 24px}
.wide{display:none}.narrow{display:block}.reasons>div{grid-template-columns:1fr}.answers{gap:12px}
.facts div{grid-template-columns:minmax(96px,1fr) 2fr}}
@media print{body{background:#fff;font-size:11pt}main,.top{max-width:none;padding:0}nav,pre button{display:none}
main>section[id]:not(.verdict),.answer,.verdict{border-color:#bbb;break-inside:auto}
.answer,figure,.panel,.steps>li,tr{break-inside:avoid}.scroll,pre{max-height:none;overflow:visible;background:none}th{position:static}
.verdict.dead,.pill,.tag{print-color-adjust:exact;-webkit-print-color-adjust:exact}.chart *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
th button::after{content:""}}
`

/** The whole style sheet; its hash stands in policy.ts. */
export const pageStyle: string = `${themeStyle}${chartStyle}${base}${verdict}${sections}${tables}${media}`
