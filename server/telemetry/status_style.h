// How the status page looks.
#ifndef DCAC_SERVER_TELEMETRY_STATUS_STYLE_H_
#define DCAC_SERVER_TELEMETRY_STATUS_STYLE_H_

namespace dcac::server {

inline constexpr char kStatusStyle[] = R"css(
:root {
  color-scheme: light dark;
  --page: #f5f6f9; --card: #fff; --ink: #16202e; --soft: #59667a; --line: #e0e5ec; --track: #e9edf3;
  --accent: #2f6fd6; --second: #0f9d8a; --good: #17804a; --warn: #b45f06; --bad: #c0342b;
  --good-soft: #e2f4ea; --warn-soft: #fdf0dd; --bad-soft: #fce6e4; --shadow: 0 1px 3px rgba(20, 30, 50, .07);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10141a; --card: #1a2029; --ink: #e8edf4; --soft: #9dabbd; --line: #2c3542; --track: #2a3340;
    --accent: #6aa5ff; --second: #3fc9b4; --good: #5fd497; --warn: #f0b060; --bad: #ff8a80;
    --good-soft: #173526; --warn-soft: #3a2c14; --bad-soft: #412020; --shadow: none;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, sans-serif; }
header, main, footer { max-width: 1240px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 28px; display: flex; flex-wrap: wrap; gap: 8px 24px; align-items: flex-start;
  justify-content: space-between; }
h1 { font-size: 24px; line-height: 1.3; margin: 0; letter-spacing: -.015em; display: flex; flex-wrap: wrap; gap: 4px 12px;
  align-items: center; }
h2 { font-size: 16px; margin: 0 0 12px; letter-spacing: -.005em; }
h2 small { font-weight: 400; font-size: 13px; color: var(--soft); margin-left: 6px; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.soft { color: var(--soft); }
.facts { margin: 4px 0 0; color: var(--soft); font-size: 14px; overflow-wrap: anywhere; }
.pill { font-size: 13px; font-weight: 600; line-height: 1; padding: 6px 11px; border-radius: 99px; letter-spacing: 0; }
.pill::before { content: ""; display: inline-block; width: 8px; height: 8px; border-radius: 50%; background: currentColor;
  margin-right: 7px; }
.good { color: var(--good); } .pill.good { background: var(--good-soft); }
.warn { color: var(--warn); } .pill.warn { background: var(--warn-soft); }
.bad { color: var(--bad); }
nav { display: flex; border: 1px solid var(--line); border-radius: 9px; overflow: hidden; background: var(--card);
  font-size: 13px; }
nav > * { padding: 6px 12px; border-left: 1px solid var(--line); white-space: nowrap; }
nav > :first-child { border: 0; color: var(--soft); }
nav [aria-current] { background: var(--accent); color: var(--card); font-weight: 600; }
.tiles { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 14px; margin: 22px 0 14px; }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px; }
.card, .tile { background: var(--card); border: 1px solid var(--line); border-radius: 14px; box-shadow: var(--shadow); }
.card { padding: 18px 20px; margin: 0 0 14px; min-width: 0; }
.tile { padding: 14px 18px 16px; }
.tile h2 { font-size: 13px; font-weight: 500; color: var(--soft); margin: 0; }
.tile p { margin: 2px 0 0; font-size: 13px; color: var(--soft); font-variant-numeric: tabular-nums; }
.big { font-size: 26px; font-weight: 650; letter-spacing: -.025em; line-height: 1.25; color: var(--ink);
  font-variant-numeric: tabular-nums; }
.meter { height: 7px; border-radius: 99px; background: var(--track); margin-top: 9px; overflow: hidden; }
.meter i { display: block; height: 100%; border-radius: 99px; background: var(--accent); }
.meter i.good { background: var(--good); } .meter i.warn { background: var(--warn); } .meter i.bad { background: var(--bad); }
.chart { display: block; width: 100%; height: 92px; margin-top: 10px; overflow: visible; }
.chart .area { fill: var(--accent); opacity: .16; } .chart .edge { fill: none; stroke: var(--accent); stroke-width: 2;
  vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.sent .area { fill: var(--second); } .sent .edge { stroke: var(--second); }
.axis { display: flex; justify-content: space-between; font-size: 12px; color: var(--soft); border-top: 1px solid var(--line);
  padding-top: 4px; }
.scroll { overflow-x: auto; margin: 0 -20px; padding: 0 20px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; font-size: 12.5px; color: var(--soft); padding: 0 16px 7px 0;
  border-bottom: 1px solid var(--line); white-space: nowrap; }
td { padding: 7px 16px 7px 0; border-bottom: 1px solid var(--line); white-space: nowrap; vertical-align: middle; }
tr:last-child td { border-bottom: 0; }
th:last-child, td:last-child { padding-right: 0; }
.number { text-align: right; }
td.wide { width: 40%; min-width: 90px; }
td.wide .meter { margin: 0; }
td.name { max-width: 220px; overflow: hidden; text-overflow: ellipsis; }
code, .code { font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.empty { margin: 0; color: var(--soft); }
.settings { columns: 2 360px; column-gap: 40px; margin: 0; }
.settings div { display: flex; justify-content: space-between; gap: 18px; padding: 5px 0; border-bottom: 1px solid var(--line);
  break-inside: avoid; }
.settings dt { color: var(--soft); } .settings dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
footer { padding-bottom: 36px; padding-top: 6px; font-size: 13px; color: var(--soft); display: flex; flex-wrap: wrap;
  gap: 4px 20px; }
@media (max-width: 1100px) { .tiles { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
@media (max-width: 760px) {
  header, main, footer { padding-left: 14px; padding-right: 14px; }
  .pair { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; }
  .tile { padding: 12px 14px; } .big { font-size: 22px; }
  td, th { padding-right: 11px; }
  .card { padding: 16px 14px; } .scroll { margin: 0 -14px; padding: 0 14px; }
}
)css";

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_STATUS_STYLE_H_
