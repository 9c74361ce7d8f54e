// @ts-check
/* global uPlot, timeLinePlot, token, ms */

/**
 * What the page does once it is there: plots, buttons, and, while a run goes on, what is new. Everything that is in a plot is on the
 * page in words and numbers as well.
 */
(() => {
  'use strict';

  /** Plots by name. @type {Record<string, any>} */
  const data = JSON.parse(/** @type {HTMLElement} */ (document.getElementById('plots')).textContent ?? '{}');
  const isLive = document.documentElement.dataset.live === 'yes';
  /** @type {Map<string, { plot: any, update: (data: any) => void, range?: () => [number, number] | undefined, zoom?: (how: string) => void }>} */
  const plots = new Map();
  let isPrinting = false;

  /** A4 without its margins, CSS pixels. */
  const PRINT_WIDTH = 660;

  /** @param {HTMLElement} place */
  const widthOf = (place) => {
    const isHalf = place.parentElement && getComputedStyle(place.parentElement).gridColumnStart === 'auto';
    const printed = isHalf ? PRINT_WIDTH / 2 - 16 : PRINT_WIDTH;
    return Math.max(Math.floor(isPrinting ? printed : place.clientWidth), 120);
  };

  const axis = (/** @type {object} */ more) => ({
    stroke: () => token('soft'),
    grid: { stroke: () => token('line'), width: 1 },
    ticks: { stroke: () => token('line') },
    ...more,
  });
  const LINES = [
    { color: 'ok', dash: [], border: 'solid' },
    { color: 'failed', dash: [7, 3], border: 'dashed' },
    { color: 'good', dash: [2, 3], border: 'dotted' },
    { color: 'other', dash: [9, 3, 2, 3], border: 'double' },
  ];

  /** @param {number} value bytes */
  const bytes = (value) => {
    const units = ['B', 'KiB', 'MiB', 'GiB'];
    const power = Math.min(Math.max(Math.floor(Math.log2(Math.max(Math.abs(value), 1)) / 10), 0), 3);
    return `${Number((value / 1024 ** power).toPrecision(4))} ${units[power]}`;
  };
  const count = (/** @type {number} */ value) => String(Number(value.toPrecision(6)));

  /**
   * Lines over time. `of` gives, for each line, its name and its values; `band` the least and greatest of each point.
   * @param {{ show: (value: number) => string, incrs?: number[], isLog?: boolean, isDots?: boolean, fromZero?: boolean,
   *   of: (data: any) => { label: string, values: (number | null)[], low?: number[], high?: number[] }[] }} how
   */
  const lines = (how) => (/** @type {HTMLElement} */ place, /** @type {any} */ given) => {
    let now = given;
    const all = how.of(now);
    const plot = new uPlot(
      {
        width: widthOf(place),
        height: 200,
        scales: { x: { time: false }, y: how.isLog ? { distr: 3 } : how.fromZero ? { range: fromZero } : {} },
        series: [
          {
            label: 'At',
            value: (/** @type {any} */ _, /** @type {number | null} */ v) => (v === null ? '–' : `${v} s`),
          },
          ...all.map(({ label }, i) => ({
            label,
            stroke: () => token(LINES[i].color),
            width: 1.5,
            dash: LINES[i].dash,
            ...(how.isDots
              ? {
                  paths: () => null,
                  points: {
                    show: true,
                    size: 5,
                    width: 1.5,
                    fill: () => token(i === 0 ? LINES[0].color : 'paper'),
                  },
                }
              : { points: { show: false } }),
            value: (/** @type {any} */ _, /** @type {number | null} */ v) =>
              v === null || v === undefined ? '–' : how.show(v),
          })),
        ],
        axes: [
          axis({
            space: 70,
            values: (/** @type {any} */ _, /** @type {number[]} */ splits) =>
              splits.map((v) => `${count(v)} s`),
          }),
          axis({
            size: 68,
            ...(how.incrs && { incrs: how.incrs }),
            ...(how.isLog && {
              grid: {
                stroke: () => token('line'),
                width: 1,
                filter: (/** @type {any} */ _, /** @type {number[]} */ splits) =>
                  splits.map((v) => (Number.isInteger(Math.log10(v)) ? v : null)),
              },
            }),
            values: (/** @type {any} */ _, /** @type {(number | null)[]} */ splits) =>
              splits.map((v) => (v === null ? '' : how.show(v))),
          }),
        ],
        cursor: { drag: { x: true, y: false, dist: 4 } },
        legend: {
          markers: {
            dash: (/** @type {any} */ _, /** @type {number} */ i) => LINES[i - 1]?.border ?? 'solid',
          },
        },
        hooks: {
          drawAxes: [
            (/** @type {any} */ u) => {
              how.of(now).forEach(({ low, high }, i) => {
                if (low && high) band(u, now.t, low, high, token(LINES[i].color));
              });
            },
          ],
        },
      },
      [now.t, ...all.map(({ values }) => values)],
      place,
    );
    return {
      plot,
      update: (/** @type {any} */ next) => {
        now = next;
        plot.setData([now.t, ...how.of(now).map(({ values }) => values)]);
      },
    };
  };

  /** @param {any} _ @param {number | null} low @param {number | null} high @returns {[number, number]} */
  const fromZero = (_, low, high) => [Math.min(low ?? 0, 0), Math.max((high ?? 1) * 1.08, 1e-3)];

  /** From the least to the greatest value of each point. @param {any} u @param {number[]} t @param {number[]} low @param {number[]} high @param {string} color */
  const band = (u, t, low, high, color) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.beginPath();
    t.forEach((at, i) => ctx.lineTo(u.valToPos(at, 'x', true), u.valToPos(high[i], 'y', true)));
    for (let i = t.length - 1; i >= 0; i--)
      ctx.lineTo(u.valToPos(t[i], 'x', true), u.valToPos(low[i], 'y', true));
    ctx.closePath();
    ctx.globalAlpha = 0.25;
    ctx.fillStyle = color;
    ctx.fill();
    ctx.restore();
  };

  /** Bars, one for each bin of a tenth of a decade. @param {HTMLElement} place @param {any} given */
  const histogram = (place, given) => {
    let now = given;
    const edge = (/** @type {number} */ i) => (i < now.from.length ? now.from[i] : now.to);
    const numbers = () => [now.from.map((/** @type {number} */ _, /** @type {number} */ i) => i), now.count];
    const { paths } = uPlot;
    const plot = new uPlot(
      {
        width: widthOf(place),
        height: 200,
        scales: {
          x: { time: false, range: () => [-0.5, Math.max(now.from.length, 4) - 0.5] },
          y: { range: fromZero },
        },
        series: [
          {
            label: 'From',
            value: (/** @type {any} */ _, /** @type {number | null} */ i) =>
              i === null ? '–' : `${ms(edge(i))} to ${ms(edge(i + 1))}`,
          },
          {
            label: 'Cycles',
            stroke: () => token('ok'),
            fill: () => token('ok'),
            ...(paths.bars && { paths: paths.bars({ size: [0.85, 60] }) }),
            points: { show: false },
            value: (/** @type {any} */ _, /** @type {number | null} */ v) => (v === null ? '–' : String(v)),
          },
        ],
        axes: [
          axis({
            grid: { show: false },
            splits: (/** @type {any} */ u) => {
              const every = Math.max(Math.ceil(now.from.length / Math.max(Math.floor(u.width / 85), 1)), 1);
              return Array.from(
                { length: Math.floor(now.from.length / every) + 1 },
                (_, i) => i * every - 0.5,
              );
            },
            values: (/** @type {any} */ _, /** @type {number[]} */ splits) =>
              splits.map((at) => ms(edge(at + 0.5))),
          }),
          axis({ size: 60, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6] }),
        ],
        cursor: { drag: { x: false, y: false } },
      },
      numbers(),
      place,
    );
    return {
      plot,
      update: (/** @type {any} */ next) => {
        now = next;
        plot.setData(numbers());
      },
    };
  };

  /** @param {string[]} names @param {string[]} labels */
  const measures = (names, labels) => (/** @type {any} */ samples) =>
    names.map((name, i) => ({
      label: labels[i],
      values: samples[name][1],
      low: samples[name][0],
      high: samples[name][2],
    }));

  /** Each plot: the data it is drawn from, whether there is anything to draw, and how. @type {Record<string, { from: string, has: (data: any) => boolean, make: (place: HTMLElement, data: any, range?: [number, number]) => any }>} */
  const kinds = {
    timeline: {
      from: 'timeline',
      has: (all) => all.end > 0,
      make: (place, all, range) => timeLinePlot(place, all, widthOf(place), range),
    },
    rejection: { from: 'rejection', has: (all) => all.count.length > 0, make: histogram },
    recovery: { from: 'recovery', has: (all) => all.count.length > 0, make: histogram },
    reaction: {
      from: 'reaction',
      has: (all) => all.t.length > 1,
      make: lines({
        show: ms,
        isLog: true,
        isDots: true,
        of: (all) => [
          { label: 'Rejection (full)', values: all.rejection },
          { label: 'Return (hollow)', values: all.recovery },
        ],
      }),
    },
    throughput: {
      from: 'throughput',
      has: (all) => all.t.length > 1,
      make: lines({
        show: count,
        fromZero: true,
        of: (all) => [
          { label: 'Succeeded', values: all.ok },
          { label: 'Failed', values: all.failed },
        ],
      }),
    },
    memory: {
      from: 'samples',
      has: (all) => all.t.length > 1,
      make: lines({
        show: bytes,
        // From 1 KiB to 64 GiB.
        incrs: Array.from({ length: 27 }, (_, i) => 2 ** (10 + i)),
        fromZero: true,
        of: measures(['rss', 'heapUsed'], ['Resident', 'JavaScript heap']),
      }),
    },
    handles: {
      from: 'samples',
      has: (all) => all.t.length > 1,
      make: lines({
        show: count,
        fromZero: true,
        of: measures(
          ['fds', 'threads', 'handles', 'listeners'],
          ['Descriptors', 'Threads', 'Handles', 'Listeners'],
        ),
      }),
    },
    delay: {
      from: 'samples',
      has: (all) => all.t.length > 1,
      make: lines({
        show: ms,
        fromZero: true,
        of: measures(['p50', 'p99', 'p999'], ['Median', 'p99', 'p99.9']),
      }),
    },
  };

  /** @param {string} id */
  const placeOf = (id) => /** @type {HTMLElement} */ (document.querySelector(`#plot-${id} .plot`));

  /** @param {string} id */
  const draw = (id) => {
    const { from, has, make } = kinds[id];
    const place = placeOf(id);
    const known = plots.get(id);
    if (!has(data[from])) {
      place.classList.add('none');
      place.textContent = 'Nothing to draw.';
      return;
    }
    if (known) {
      known.update(data[from]);
      return;
    }
    place.classList.remove('none');
    place.replaceChildren();
    plots.set(id, make(place, data[from]));
  };

  /** Anew, in the colours and the width that are right now. */
  const redraw = () => {
    for (const id of Object.keys(kinds)) {
      const known = plots.get(id);
      if (!known) continue;
      const range = known.range?.();
      known.plot.destroy();
      plots.set(id, kinds[id].make(placeOf(id), data[kinds[id].from], range));
    }
  };

  const zoom = () => {
    const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll('[data-zoom]'));
    for (const button of buttons) {
      button.parentElement?.removeAttribute('hidden');
      button.addEventListener('click', () => plots.get('timeline')?.zoom?.(button.dataset.zoom ?? 'all'));
      if (button.dataset.zoom === 'violation') button.hidden = data.timeline.violations.length === 0;
    }
  };

  for (const id of Object.keys(kinds)) draw(id);
  zoom();

  let drawnFor = window.innerWidth;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  window.addEventListener('resize', () => {
    clearTimeout(later);
    later = setTimeout(() => {
      if (window.innerWidth === drawnFor || isPrinting) return;
      drawnFor = window.innerWidth;
      redraw();
    }, 150);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  const print = (/** @type {boolean} */ now) => () => {
    if (isPrinting === now) return;
    isPrinting = now;
    redraw();
  };
  window.addEventListener('beforeprint', print(true));
  window.addEventListener('afterprint', print(false));
  matchMedia('print').addEventListener('change', ({ matches }) => print(matches)());

  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('button[data-copy]') : null;
    if (!(button instanceof HTMLElement)) return;
    const source = document.getElementById(button.dataset.copy ?? '');
    if (!source) return;
    const done = () => {
      button.textContent = 'Copied';
      setTimeout(() => (button.textContent = 'Copy'), 1500);
    };
    const select = () => {
      getSelection()?.selectAllChildren(source);
      if (document.execCommand('copy')) done();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(source.textContent ?? '').then(done, select);
    else select();
  });

  if (!isLive) return;

  // What follows is for a run that goes on.
  const banner = /** @type {HTMLElement} */ (document.getElementById('live'));
  /** What could not be put in place, as somebody is about to copy from there. @type {Record<string, string>} */
  const waiting = {};

  /** @param {string} id @param {string} text */
  const place = (id, text) => {
    const section = document.querySelector(`[data-section="${id}"]`);
    if (!section) return;
    const selection = getSelection();
    if (selection && !selection.isCollapsed && section.contains(selection.anchorNode)) {
      waiting[id] = text;
      return;
    }
    delete waiting[id];
    const open = [...section.querySelectorAll('details')].map((one) => one.open);
    const scrolled = [...section.querySelectorAll('.scroll')].map((one) => one.scrollLeft);
    // The server has escaped what is not its own.
    section.innerHTML = text;
    section.querySelectorAll('details').forEach((one, i) => (one.open = open[i] ?? false));
    section.querySelectorAll('.scroll').forEach((one, i) => (one.scrollLeft = scrolled[i] ?? 0));
  };

  /** @param {any} state */
  const apply = (state) => {
    document.title = state.title;
    for (const [id, text] of Object.entries({ ...waiting, ...state.sections })) place(id, String(text));
    Object.assign(data, state.plots);
    for (const [id, kind] of Object.entries(kinds)) if (kind.from in state.plots) draw(id);
    for (const [id, text] of Object.entries(state.alternatives))
      placeOf(id).setAttribute('aria-label', String(text));
    const next = /** @type {HTMLElement | null} */ (document.querySelector('[data-zoom=violation]'));
    if (next) next.hidden = data.timeline.violations.length === 0;
  };

  let hasEnded = false;
  let heard = new Date();
  /** @param {string} text @param {string} look */
  const say = (text, look) => {
    if (banner.textContent !== text) banner.textContent = text;
    banner.className = `live ${look}`;
  };
  const connect = () => {
    const source = new EventSource('events');
    source.addEventListener('state', (event) => {
      heard = new Date();
      const state = JSON.parse(event.data);
      apply(state);
      hasEnded = state.ended;
      if (!hasEnded) say('Live: the run goes on.', '');
      else {
        source.close();
        say('The run has ended. This is its report.', 'ended');
      }
    });
    source.addEventListener('error', () => {
      if (hasEnded) return;
      say(`No connection to the run: trying again. What is shown is of ${heard.toISOString()}.`, 'lost');
      // It tries again by itself, unless the answer was no.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
    });
  };
  connect();
})();
