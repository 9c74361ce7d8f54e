/** The sections of the page that are text and tables: all that is in a plot is here in numbers too. */
import type { Quantiles, StartEvent, Totals, ViolationEvent } from '../events.js';
import { MEASURES, type Measure } from '../totals.js';
import type { Bin } from '../histogram.js';
import type { CyclesOf, ReportCollector } from './collector.js';
import { datum, markup, milliseconds, number, size, span, type Content, type Html } from './html.js';
import { outcomeOf, plural, VIOLATIONS, WHENS } from './words.js';

/** A table with a caption; the first cell of each row is its header. */
export function table(
  caption: Content,
  head: readonly Content[],
  rows: readonly (readonly Content[])[],
  kind = 'numbers',
): Html {
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
    <table class="${kind}">
      <caption>${caption}</caption>
      <thead>
        <tr>
          ${head.map((cell) => markup`<th scope="col">${cell}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([first, ...others]) =>
            markup`<tr>
              <th scope="row">${first}</th>
              ${others.map((cell) => markup`<td>${cell}</td>`)}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

function copyable(id: string, text: string): Html {
  return markup`<div class="command">
    <pre id="${id}">${text}</pre>
    <button type="button" data-copy="${id}">Copy</button>
  </div>`;
}

export function verdictSection(collector: ReportCollector, isLive: boolean): Html {
  const { verdict, start, tally, timeLine } = collector;
  const { state, symbol, title, sentence } = outcomeOf(collector, isLive);
  const totals = tally.totals();
  const facts: readonly (readonly [string, Content])[] = [
    ['Cycles', datum('cycles', totals.cycles)],
    ['Operations', datum('operations', totals.operations)],
    ['Violations', datum('violations', Math.max(tally.violations, verdict?.violations ?? 0))],
    ['Checked', datum('checkedBytes', totals.checkedBytes, size(totals.checkedBytes))],
    ['Lasted', datum('t', timeLine.end, span(timeLine.end))],
    ['Rejection, p99', worst(totals.rejection)],
    ['Return, p99', worst(totals.recovery)],
  ];
  return markup`<div class="verdict ${state}" role="status">
      <p class="outcome"><span class="symbol" aria-hidden="true">${symbol}</span> ${title}</p>
      <p>${sentence}</p>
      ${verdict?.reason !== undefined && markup`<p class="reason">${verdict.reason}</p>`}
      ${verdict?.hint !== undefined && markup`<p class="hint">${verdict.hint}</p>`}
    </div>
    <dl class="facts">
      ${facts.map(
        ([name, value]) =>
          markup`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
    <p class="about">
      ${start && markup`Began ${time(start.at)}; ended ${endOf(start, timeLine.end, verdict !== undefined)}.`}
      Every read was held against a model of what each byte may be, and after every replug the whole region
      was.
    </p>`;
}

function worst(quantiles: Quantiles | null): Content {
  return quantiles ? milliseconds(quantiles.p99) : 'none';
}

function time(iso: string): Html {
  return markup`<time datetime="${iso}">${iso}</time>`;
}

function endOf({ at }: StartEvent, ms: number, hasEnded: boolean): Content {
  const began = Date.parse(at);
  if (!hasEnded) return 'not yet';
  // Nobody's clock reaches further than ±8.64e15 ms.
  return Number.isNaN(began)
    ? 'at an unknown time'
    : time(new Date(Math.min(began + ms, 8.64e15)).toISOString());
}

export function violationsSection({
  violations,
  violationsByKind,
  tally,
  cutDetails,
}: ReportCollector): Html {
  if (tally.violations === 0) return markup`<p>None.</p>`;
  const more = tally.violations - violations.length;
  return markup`${table(
    'Violations by kind',
    ['Kind', 'Times', 'What it means'],
    [...violationsByKind].map(([kind, count]) => [
      kind,
      datum(`violations.${kind}`, count),
      kind in VIOLATIONS ? VIOLATIONS[kind as keyof typeof VIOLATIONS] : '',
    ]),
    'prose',
  )}
    <ol class="violations">
      ${violations.map(violation)}
    </ol>
    ${more > 0 && markup`<p>${plural(more, 'more violation')} not shown here; the log has all of them.</p>`}
    ${cutDetails > 0 && markup`<p>The texts of ${plural(cutDetails, 'violation')} are shortened; the log has all of them.</p>`}`;
}

function violation(event: ViolationEvent): Html {
  const facts: readonly (readonly [string, Content])[] = [
    ['cycle', number(event.cycle)],
    ['at', milliseconds(event.t)],
    ['subject', event.subject],
    ['worker', event.worker],
    ['operation', event.operation],
    ['offset', event.offset !== undefined && `0x${event.offset.toString(16)}`],
    ['expected', event.expected],
    ['found', event.found],
  ];
  const told = facts.filter(([, value]) => value !== undefined && value !== false);
  return markup`<li>
    <p><strong>▲ ${event.kind}</strong>: ${event.message}</p>
    <p class="small">
      ${told.map(([name, value], i) => markup`${i > 0 && ' · '}${name} <span class="mono">${value}</span>`)}
    </p>
    ${
      event.details !== undefined &&
      event.details !== '' &&
      markup`<details>
        <summary>Details</summary>
        <pre>${event.details}</pre>
      </details>`
    }
  </li> `;
}

export function repeatSection({ start, verdict }: ReportCollector): Html {
  if (!start) return markup`<p>The log does not say how the run began.</p>`;
  const { mix, when, cycles, durationMs } = start;
  const planned = [
    cycles !== null && plural(cycles, 'cycle'),
    durationMs !== null && span(durationMs),
  ].filter((one) => one !== false);
  const replay = verdict?.replay;
  return markup`<dl class="pairs">
      <div>
        <dt>Seed</dt>
        <dd>${datum('seed', start.seed, String(start.seed))}</dd>
      </div>
      <div>
        <dt>Planned</dt>
        <dd>${planned.length === 0 ? 'until it is ended' : planned.join(' or ')}</dd>
      </div>
      <div>
        <dt>Who pulls the plug</dt>
        <dd>${start.power}</dd>
      </div>
      <div>
        <dt>When</dt>
        <dd>${when.map((one) => WHENS[one]).join('; ')}</dd>
      </div>
      <div>
        <dt>Workers</dt>
        <dd>${number(start.workers)}</dd>
      </div>
      <div>
        <dt>Mix</dt>
        <dd class="mono">
          ${Object.entries(mix)
            .map(([kind, weight]) => `${kind}=${String(weight)}`)
            .join(' ')}
        </dd>
      </div>
    </dl>
    <p>The run again, with every choice spelt out:</p>
    ${copyable('command', start.command)}
    ${
      replay &&
      markup`<p>
          The shortest schedule found that still fails, ${plural(replay.cycles, 'cycle')} (in
          <span class="mono">${replay.file}</span>):
        </p>
        ${copyable('replay', replay.command)}`
    }`;
}

export function subjectsSection({ start }: ReportCollector): Html {
  if (!start) return markup`<p>Not known.</p>`;
  return markup`${start.subjects.map(
    ({ index, uri, size: bytes, pageSize, wordSize, region, identity }) =>
      markup`<h3>Subject ${index}</h3>
        <p class="mono uri">${uri}</p>
        <dl class="pairs">
          <div>
            <dt>Size</dt>
            <dd>${number(bytes)} bytes (${size(bytes)})</dd>
          </div>
          <div>
            <dt>Page</dt>
            <dd>${plural(pageSize, 'byte')}</dd>
          </div>
          <div>
            <dt>Word</dt>
            <dd>${plural(wordSize, 'byte')}</dd>
          </div>
          <div>
            <dt>May be overwritten</dt>
            <dd>
              ${
                region
                  ? `0x${region.first.toString(16)} to 0x${region.last.toString(16)} (${plural(region.last - region.first + 1, 'byte')})`
                  : 'nothing: it was only read'
              }
            </dd>
          </div>
          ${Object.entries(identity).map(
            ([name, value]) =>
              markup`<div>
                <dt>${name}</dt>
                <dd>${value}</dd>
              </div>`,
          )}
        </dl>`,
  )}`;
}

const QUANTILES = ['count', 'min', 'p50', 'p90', 'p99', 'p999', 'max'] as const;
const NAMES = ['Count', 'Least', 'Median', 'p90', 'p99', 'p99.9', 'Greatest'];

export function latencySection({ byWhen, tally }: ReportCollector): Html {
  const { rejection, recovery } = tally.totals();
  const row = (name: string, key: string, of: Quantiles | null): Content[] => [
    name,
    ...QUANTILES.map((q) =>
      of === null
        ? '–'
        : q === 'count'
          ? datum(`${key}.count`, of.count)
          : datum(`${key}.${q}`, of[q], milliseconds(of[q])),
    ),
  ];
  return markup`${table(
    'Reaction times of all cycles',
    ['', ...NAMES],
    [
      row('Unplug → rejection', 'rejection', rejection),
      row('Replug → first good read', 'recovery', recovery),
    ],
  )}
    ${
      byWhen.size > 0 &&
      table(
        'By the moment at which the plug was pulled',
        [
          'Plug pulled',
          'Cycles',
          'Rejection, median',
          'greatest',
          'Return, median',
          'greatest',
          'Never came back',
        ],
        [...byWhen].map(([when, of]) => [
          WHENS[when],
          datum(`when.${when}`, of.cycles),
          ...reactions(of),
          number(of.lost),
        ]),
      )
    }
    <details>
      <summary>The histograms as a table</summary>
      ${bins('Unplug → rejection', 'rejection', tally.rejection.bins())}
      ${bins('Replug → first good read', 'recovery', tally.recovery.bins())}
    </details>`;
}

function reactions({ rejection, recovery }: CyclesOf): Content[] {
  return [rejection, recovery].flatMap((histogram) => {
    const all = histogram.quantiles();
    return all ? [milliseconds(all.p50), milliseconds(all.max)] : ['–', '–'];
  });
}

function bins(caption: string, key: string, all: readonly Bin[]): Html {
  return table(
    caption,
    ['From', 'to below', 'Cycles'],
    all.map(({ from, to, count }) => [milliseconds(from), milliseconds(to), datum(`${key}.bin`, count)]),
  );
}

export function throughputSection({ tally, timeLine, removed, opens }: ReportCollector): Html {
  const { operations, byKind, bytesRead, bytesWritten } = tally.totals();
  const seconds = timeLine.end / 1000;
  const rate = (count: number): Content =>
    seconds > 0 ? number(Number((count / seconds).toPrecision(3))) : '–';
  const perSecond = (bytes: number): Content => (seconds > 0 ? `${size(bytes / seconds)}/s` : '–');
  return markup`${table(
    'Operations by kind',
    ['Kind', 'Operations', 'Per second'],
    [
      ...Object.entries(byKind).map(([kind, count]) => [kind, datum(`byKind.${kind}`, count), rate(count)]),
      ['all', datum('byKind', operations), rate(operations)],
    ],
  )}
  ${table(
    'Bytes and events',
    ['', 'Number', 'Per second'],
    [
      ['Bytes read', datum('bytesRead', bytesRead, size(bytesRead)), perSecond(bytesRead)],
      ['Bytes written', datum('bytesWritten', bytesWritten, size(bytesWritten)), perSecond(bytesWritten)],
      ['Unplugs', datum('unplugs', timeLine.outages.all), rate(timeLine.outages.all)],
      ['removed', datum('removed', removed), rate(removed)],
      ['Opened', datum('opens', opens), rate(opens)],
    ],
  )}`;
}

export function codesSection({ tally }: ReportCollector): Html {
  const { byCode, operations } = tally.totals();
  return table(
    'How operations have ended',
    ['Code', 'Operations', 'Share'],
    Object.entries(byCode)
      .sort(([, a], [, b]) => b - a)
      .map(([code, count]) => [
        code === 'ok' ? 'ok (no error)' : code,
        datum(`byCode.${code}`, count),
        `${((count / operations) * 100).toFixed(2)} %`,
      ]),
  );
}

export function countersSection({ tally, start }: ReportCollector): Html {
  const counters = tally.totals().counters;
  const names = [...new Set(counters.flatMap((one) => Object.keys(one)))];
  if (names.length === 0) return markup`<p>The subject has told none.</p>`;
  return table(
    'Counters of the library, summed over all openings',
    ['Counter', ...counters.map((_, i) => `Subject ${String(start?.subjects[i]?.index ?? i)}`)],
    names.map((name) => [
      name,
      ...counters.map((one, i) => datum(`counters.${String(i)}.${name}`, one[name] ?? 0)),
    ]),
  );
}

const MEASURE_NAMES: Readonly<Record<Measure, string>> = {
  rss: 'Resident memory',
  heapUsed: 'JavaScript heap',
  fds: 'Open descriptors',
  threads: 'Threads',
  handles: 'Handles',
  listeners: 'Listeners',
};

export function processSection({ tally }: ReportCollector): Html {
  const { slopes, loopDelay } = tally.totals();
  return markup`${table(
    'A straight line through the samples, the first fifth left out as warm-up',
    ['Measure', 'Line begins at', 'ends at', 'In 1,000 cycles'],
    MEASURES.map((name) => [MEASURE_NAMES[name], ...slopeCells(name, slopes[name])]),
  )}
    <p>
      ${
        loopDelay
          ? markup`Delay of the event loop: median of the medians of all samples
            ${datum('loopDelay.p50', loopDelay.p50, milliseconds(loopDelay.p50))}, worst p99.9 of a sample
            ${datum('loopDelay.p999', loopDelay.p999, milliseconds(loopDelay.p999))}.`
          : 'The delay of the event loop was not sampled.'
      }
      ${plural(tally.samples.count, 'sample')}.
    </p>`;
}

function slopeCells(name: Measure, slope: Totals['slopes'][Measure]): Content[] {
  if (!slope) return ['–', '–', 'too few samples'];
  const isBytes = name === 'rss' || name === 'heapUsed';
  const shown = (value: number): string =>
    isBytes ? size(Math.round(value)) : number(Number(value.toFixed(2)));
  const sign = slope.perThousand > 0 ? '+' : '';
  return [
    datum(`slopes.${name}.first`, slope.first, shown(slope.first)),
    datum(`slopes.${name}.last`, slope.last, shown(slope.last)),
    datum(`slopes.${name}`, slope.perThousand, `${sign}${shown(slope.perThousand)}`),
  ];
}

export function environmentSection({ start, notes, lostNotes, tally }: ReportCollector): Html {
  const environment = start?.environment;
  const blind = [
    ...(environment?.blind ?? []),
    ...(tally.samples.count === 0
      ? ['Memory, descriptors, threads and handles: no sample has been taken.']
      : []),
    ...(start?.subjects.every(({ region }) => region === undefined) === true
      ? ['Writing: no region was given that may be overwritten, so nothing was written on purpose.']
      : []),
  ];
  return markup`${
    environment &&
    markup`<dl class="pairs">
        <div>
          <dt>nvmem</dt>
          <dd>${environment.nvmem}</dd>
        </div>
        <div>
          <dt>Node.js</dt>
          <dd>${environment.node}</dd>
        </div>
        <div>
          <dt>Kernel</dt>
          <dd>${environment.kernel}</dd>
        </div>
        <div>
          <dt>Machine</dt>
          <dd>${environment.arch}, ${plural(environment.cpus, 'processor')}</dd>
        </div>
        <div>
          <dt>libusb</dt>
          <dd>${environment.libusb}</dd>
        </div>
      </dl>`
  }
    <h3>What could not be watched</h3>
    ${
      blind.length === 0
        ? markup`<p>Nothing: every watch that there is could look.</p>`
        : markup`<ul class="blind">
            ${blind.map((one) => markup`<li>${one}</li>`)}
          </ul>`
    }
    <h3>Notes</h3>
    ${
      notes.length === 0
        ? markup`<p>None.</p>`
        : markup`<ul class="notes">
            ${notes.map(
              ({ t, cycle, message, times }) =>
                markup`<li>
                  ${message}
                  <span class="small">(cycle ${number(cycle)}, ${milliseconds(t)}${times > 1 && `; ${plural(times, 'time')}`})</span>
                </li>`,
            )}
          </ul>`
    }
    ${lostNotes > 0 && markup`<p>${plural(lostNotes, 'more note')} not shown here; the log has all of them.</p>`}`;
}
