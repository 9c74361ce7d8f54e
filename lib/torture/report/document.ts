/** The page: its sections in order, its plots, and all of it in one file that asks for nothing. */
import { createHash } from 'node:crypto';

import { assets } from './assets.js';
import type { ReportCollector } from './collector.js';
import { markup, Html, jsonData, milliseconds, number, type Content } from './html.js';
import { plotsOf, type Plots } from './plots.js';
import {
  codesSection,
  countersSection,
  environmentSection,
  latencySection,
  processSection,
  repeatSection,
  subjectsSection,
  throughputSection,
  verdictSection,
  violationsSection,
} from './sections.js';
import { wearSection } from './wear.js';
import { outcomeOf, plural } from './words.js';

/** What changes while a run goes on: the text of each section, the numbers of each plot, and what each plot shows in words. */
export interface PageState {
  readonly title: string;
  readonly sections: Readonly<Record<string, string>>;
  readonly plots: Plots;
  readonly alternatives: Readonly<Record<string, string>>;
  /** No more is to come. */
  readonly ended: boolean;
}

interface Plot {
  readonly id: string;
  readonly caption: string;
  /** In words, for who does not see it. */
  readonly alternative: (collector: ReportCollector) => string;
  readonly controls?: Html;
}

interface Section {
  readonly id: string;
  readonly heading: string;
  readonly body: (collector: ReportCollector, isLive: boolean) => Html;
  readonly plots?: readonly Plot[];
}

const ZOOM = markup`<p class="zoom" hidden>
    <button type="button" data-zoom="in">Zoom in</button>
    <button type="button" data-zoom="out">Zoom out</button>
    <button type="button" data-zoom="left" aria-label="Earlier">◂</button>
    <button type="button" data-zoom="right" aria-label="Later">▸</button>
    <button type="button" data-zoom="all">Whole run</button>
    <button type="button" data-zoom="violation">Next violation</button>
    <span class="small">Or drag over a stretch; a double click shows the whole run.</span>
  </p>
  <ul class="legend small" aria-label="Signs of the time line">
    <li><span class="key ok"></span>operation that succeeded</li>
    <li><span class="key failed"></span>operation that failed (half as high)</li>
    <li><span class="key out"></span>plug out</li>
    <li><span class="key violation">▲</span>violation</li>
  </ul>
  <p class="readout small" aria-live="off">&nbsp;</p>`;

const SECTIONS: readonly Section[] = [
  { id: 'verdict', heading: 'Verdict', body: verdictSection },
  { id: 'violations', heading: 'What was found', body: violationsSection },
  { id: 'repeat', heading: 'How to repeat it', body: repeatSection },
  { id: 'subjects', heading: 'Subjects', body: subjectsSection },
  {
    id: 'timeline',
    heading: 'Time line',
    body: timeLineSection,
    plots: [
      {
        id: 'timeline',
        caption: 'Plug, workers and violations over time',
        controls: ZOOM,
        alternative: ({ timeLine, tally }) =>
          `Time line of ${milliseconds(timeLine.end)}: the plug was out ${plural(timeLine.outages.all, 'time')}, ` +
          `${plural(timeLine.workers.length, 'worker')} made ${plural(tally.operations, 'operation')}, ` +
          `${plural(tally.violations, 'violation')}.`,
      },
    ],
  },
  {
    id: 'latency',
    heading: 'Reaction to unplug and replug',
    body: latencySection,
    plots: [
      {
        id: 'rejection',
        caption: 'Unplug → rejection: the slowest answer of each cycle',
        alternative: ({ tally }) => histogramInWords('Unplug to rejection', tally.rejection.quantiles()),
      },
      {
        id: 'recovery',
        caption: 'Replug → first good read',
        alternative: ({ tally }) => histogramInWords('Replug to first good read', tally.recovery.quantiles()),
      },
      {
        id: 'reaction',
        caption: 'Both over the run: the slowest of each stretch of time',
        alternative: () => 'Slowest rejection and return over time. The table has their quantiles.',
      },
    ],
  },
  {
    id: 'throughput',
    heading: 'Throughput',
    body: throughputSection,
    plots: [
      {
        id: 'throughput',
        caption: 'Operations per second',
        alternative: () => 'Operations per second over time. The table has the means of the whole run.',
      },
    ],
  },
  { id: 'codes', heading: 'Results by code', body: codesSection },
  { id: 'wear', heading: 'Wear', body: wearSection },
  { id: 'counters', heading: 'Counters', body: countersSection },
  {
    id: 'process',
    heading: 'Memory, handles and event loop',
    body: processSection,
    plots: [
      {
        id: 'memory',
        caption: 'Memory of the process',
        alternative: () => 'Resident memory and JavaScript heap over time. The table has their slopes.',
      },
      {
        id: 'handles',
        caption: 'Descriptors, threads, handles and listeners',
        alternative: () => 'Their numbers over time. The table has their slopes.',
      },
      {
        id: 'delay',
        caption: 'Delay of the event loop',
        alternative: () => 'Median, p99 and p99.9 of the delay of the event loop of each sample, over time.',
      },
    ],
  },
  { id: 'environment', heading: 'Environment and blind spots', body: environmentSection },
  { id: 'thinned', heading: 'What this page leaves out', body: thinnedSection },
];

function histogramInWords(
  what: string,
  quantiles: {
    readonly count: number;
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
  } | null,
): string {
  if (!quantiles) return `${what}: no cycle has one.`;
  const { count, p50, p99, max } = quantiles;
  return `${what}, histogram of ${plural(count, 'cycle')}: median ${milliseconds(p50)}, p99 ${milliseconds(p99)}, greatest ${milliseconds(max)}.`;
}

function timeLineSection({ timeLine }: ReportCollector): Html {
  const { kept, all } = timeLine.operations;
  if (kept.length === all)
    return markup`<p>All ${plural(all, 'operation')} are here one by one; zoom in to see them.</p>`;
  return markup`<p>
    ${number(kept.length)} of ${plural(all, 'operation')} are here one by one: the first, the last, and those
    around violations. Of the others the time line has how many there were in each
    ${milliseconds(timeLine.width)}.
  </p>`;
}

function thinnedSection({ timeLine, tally, violations, byWhen }: ReportCollector): Html {
  const operations = timeLine.operations;
  const outages = timeLine.outages;
  const lines: Content[] = [
    `The plots count all events in stretches of ${milliseconds(timeLine.width)}; nothing is left out of a count.`,
    operations.kept.length === operations.all
      ? 'Operations: all of them are on the time line one by one.'
      : `Operations: ${number(operations.kept.length)} of ${number(operations.all)} are on the time line one by one.`,
    outages.kept.length === outages.all
      ? 'Unplugs: all of them are on the time line one by one.'
      : `Unplugs: ${number(outages.kept.length)} of ${number(outages.all)} are on the time line one by one, the first and the last; in between it has for how long the plug was out.`,
    violations.length === tally.violations
      ? 'Violations: all of them.'
      : `Violations: the first ${number(violations.length)} of ${number(tally.violations)}; all are counted.`,
    tally.samples.stride === 1
      ? 'Samples of the process: all of them.'
      : `Samples of the process: mean, least and greatest value of each ${number(tally.samples.stride)}; slopes are those of all samples, from the first such group after the warm-up on.`,
    Math.max(tally.rejection.count, tally.recovery.count) <= 16_384
      ? 'Quantiles are exact.'
      : 'Quantiles are within 0.4 % of the exact ones; least and greatest values, counts and histograms are exact.',
    byWhen.size > 0 && 'The log (--log FILE.ndjson) has every event.',
  ];
  return markup`<ul>
    ${lines.filter((line) => line !== false).map((line) => markup`<li>${line}</li>`)}
  </ul>`;
}

/** @param isLive whether more events are to come */
export function pageState(collector: ReportCollector, isLive: boolean): PageState {
  const { title, sentence } = outcomeOf(collector, isLive);
  const plots = SECTIONS.flatMap((section) => section.plots ?? []);
  return {
    title: `${title}: ${sentence} – nvmem torture`,
    sections: Object.fromEntries(SECTIONS.map(({ id, body }) => [id, body(collector, isLive).text])),
    plots: plotsOf(collector),
    alternatives: Object.fromEntries(plots.map(({ id, alternative }) => [id, alternative(collector)])),
    ended: !isLive,
  };
}

function figure({ id, caption, controls }: Plot, { alternatives }: PageState): Html {
  return markup`<figure id="plot-${id}">
    <figcaption>${caption}</figcaption>
    ${controls}
    <div class="plot" role="img" aria-label="${alternatives[id]}"></div>
  </figure> `;
}

function sectionOf({ id, heading: name, plots = [] }: Section, state: PageState): Html {
  return markup`<section id="${id}" aria-labelledby="h-${id}">
      <h2 id="h-${id}">${name}</h2>
      ${plots.length > 0 && markup`<div class="figures">${plots.map((plot) => figure(plot, state))}</div>`}
      <div data-section="${id}">${new Html(state.sections[id] ?? '')}</div>
    </section>
    `;
}

function hash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

export interface Page {
  readonly html: string;
  /** What the page may do: its own styles and its own script, and nothing from anywhere. */
  readonly policy: string;
}

/** @param isLive the page asks the server that it is from for what is new */
export function pageOf(collector: ReportCollector, isLive: boolean): Page {
  const state = pageState(collector, isLive);
  const { css, script, licence } = assets();
  const policy = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(css)}`,
    'img-src data:',
    ...(isLive ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const { start } = collector;
  // Styles and script stand between their tags as they are: a blank more, and the policy would not know them.
  const page = markup`<!doctype html>
    <html lang="en"${isLive && new Html(' data-live="yes"')}>
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <meta name="generator" content="nvmem ${start?.environment.nvmem}" />
        <link rel="icon" href="data:," />
        <title>${state.title}</title>
        <style>${new Html(css)}</style>
      </head>
      <body>
        <header>
          <p class="kicker">nvmem torture report</p>
          <h1>${heading(collector)}</h1>
          <p class="live" id="live" role="status"${!isLive && new Html(' hidden')}>Live: the run goes on.</p>
        </header>
        <main>
          ${SECTIONS.map((section) => sectionOf(section, state))}
        </main>
        <footer>
          <details>
            <summary>Plots by uPlot (MIT licence)</summary>
            <pre class="small">${licence}</pre>
          </details>
        </footer>
        <script type="application/json" id="plots">${jsonData(state.plots)}</script>
        <script type="application/json" id="totals">${jsonData(collector.tally.totals())}</script>
        <script>${new Html(script)}</script>
      </body>
    </html>
    `;
  return { html: page.text, policy };
}

function heading({ start }: ReportCollector): string {
  if (!start) return 'A run whose beginning is not known';
  const [first, ...others] = start.subjects;
  return `${first?.uri ?? 'nothing'}${others.length > 0 ? ` and ${plural(others.length, 'more subject')}` : ''}`;
}
