// @ts-check
/* global uPlot */
/* exported timeLinePlot, token, ms */

/**
 * The time line: a lane for each plug, one for violations, one for each worker. Where every operation of what is on the screen is
 * there, each is a bar; elsewhere each stretch of time is a column, as high as there were operations.
 *
 * @typedef {[began: number, end: number, lane: number, subject: number, kind: number, code: number, unplugged: number,
 *   offset: number, length: number, cycle: number, id: number]} Operation
 * @typedef {[off: number, on: number | null, cycle: number, subject: number, where: string]} Outage
 * @typedef {[t: number, cycle: number, kind: string, message: string, lane: number]} Violation
 * @typedef {{ end: number, width: number, workers: string[], subjects: number, ok: number[][], failed: number[][],
 *   off: number[], operations: Operation[], kinds: string[], codes: string[], outages: Outage[],
 *   gap: [number, number] | null, violations: Violation[] }} TimeLineData
 */

/** A colour of the style sheet as it is now. @param {string} name */
function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Three digits that count. @param {number} value milliseconds */
function ms(value) {
  if (value === 0) return '0 ms';
  const [shown, unit] = Math.abs(value) >= 999.5 ? [value / 1000, 's'] : [value, 'ms'];
  const digits = 2 - Math.floor(Math.log10(Math.abs(shown)));
  return `${shown.toFixed(Math.min(Math.max(digits, 0), 3))} ${unit}`;
}

const LANE_HEIGHT = 22;
const MOST_BARS = 6000;

/**
 * @param {HTMLElement} place
 * @param {TimeLineData} given
 * @param {number} width
 * @param {[number, number] | undefined} range what is shown, milliseconds; undefined: all
 */
function timeLinePlot(place, given, width, range) {
  let data = given;
  /** By stretch: whether all of its operations are there one by one. @type {boolean[]} */
  let isWhole = [];
  const prepare = () => {
    const kept = data.off.map(() => 0);
    for (const [, end] of data.operations) kept[Math.floor(end / data.width)]++;
    isWhole = kept.map((count, i) => count === sum(data.ok, i) + sum(data.failed, i));
  };
  prepare();
  /** @param {number[][]} lanes @param {number} i */
  function sum(lanes, i) {
    return lanes.reduce((all, lane) => all + lane[i], 0);
  }
  const plugs = () => (data.subjects > 1 && data.subjects <= 4 ? data.subjects : 1);
  const lanes = () => [
    ...Array.from({ length: plugs() }, (_, i) => (plugs() === 1 ? 'plug' : `plug ${i}`)),
    'violations',
    ...data.workers,
  ];
  const end = () => Math.max(data.end, 1);
  const height = () => lanes().length * LANE_HEIGHT + 52;

  /** @param {any} u */
  function draw(u) {
    const { ctx, bbox } = u;
    const [from, to] = [u.scales.x.min, u.scales.x.max];
    const row = bbox.height / lanes().length;
    const pad = Math.max(row * 0.12, 1);
    /** @param {number} t */
    const x = (t) => u.valToPos(t, 'x', true);
    /** @param {number} a @param {number} b @param {number} lane @param {number} share */
    const bar = (a, b, lane, share) => {
      const left = Math.max(x(a), bbox.left);
      const right = Math.min(Math.max(x(b), left + 1.5), bbox.left + bbox.width);
      const most = row - 2 * pad;
      if (right > left)
        ctx.fillRect(left, bbox.top + (lane + 1) * row - pad - most * share, right - left, most * share);
    };
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.strokeStyle = token('line');
    ctx.lineWidth = 1;
    for (let i = 1; i < lanes().length; i++) {
      const y = Math.round(bbox.top + i * row) + 0.5;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    const first = Math.max(Math.floor(from / data.width), 0);
    const last = Math.min(Math.floor(to / data.width), data.off.length - 1);

    ctx.fillStyle = token('out');
    const isThinned = data.gap !== null && from < data.gap[1] && to > data.gap[0];
    if (isThinned) {
      for (let i = first; i <= last; i++) bar(i * data.width, (i + 1) * data.width, 0, data.off[i]);
    } else {
      for (const [off, on, , subject] of data.outages) {
        if (off <= to && (on ?? end()) >= from) bar(off, on ?? end(), plugs() === 1 ? 0 : subject, 1);
      }
    }

    const base = plugs() + 1;
    const visible = data.operations.filter(([began, done]) => began <= to && done >= from);
    const isSingle = visible.length <= MOST_BARS && isWhole.slice(first, last + 1).every((whole) => whole);
    if (isSingle) {
      for (const failed of [false, true]) {
        ctx.fillStyle = token(failed ? 'failed' : 'ok');
        for (const [began, done, lane, , , code] of visible) {
          const isFailed = data.codes[code] !== 'ok';
          if (isFailed === failed) bar(began, done, base + lane, failed ? 0.5 : 1);
        }
      }
    } else {
      let most = 1;
      for (let i = first; i <= last; i++) {
        data.workers.forEach((_, lane) => {
          most = Math.max(most, data.ok[lane][i] + data.failed[lane][i]);
        });
      }
      for (let i = first; i <= last; i++) {
        data.workers.forEach((_, lane) => {
          const [ok, failed] = [data.ok[lane][i], data.failed[lane][i]];
          ctx.fillStyle = token('ok');
          if (ok + failed > 0) bar(i * data.width, (i + 1) * data.width, base + lane, (ok + failed) / most);
          ctx.fillStyle = token('failed');
          if (failed > 0) bar(i * data.width, (i + 1) * data.width, base + lane, failed / most);
        });
      }
    }

    ctx.fillStyle = token('bad');
    ctx.strokeStyle = token('bad');
    for (const [t, , , , lane] of data.violations) {
      if (t < from || t > to) continue;
      const at = x(t);
      const size = row * 0.32;
      for (const on of lane < 0 ? [plugs()] : [plugs(), base + lane]) {
        const middle = bbox.top + (on + 0.5) * row;
        ctx.beginPath();
        ctx.moveTo(at, middle - size);
        ctx.lineTo(at + size, middle + size);
        ctx.lineTo(at - size, middle + size);
        ctx.closePath();
        ctx.fill();
      }
      ctx.setLineDash([4, 4]);
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
      ctx.setLineDash([]);
    }
    ctx.restore();
  }

  const readout = place.parentElement?.querySelector('.readout');
  /** What is under the pointer, in words. @param {any} u */
  function tell(u) {
    if (!readout) return;
    const { left, top } = u.cursor;
    if (left < 0 || left === undefined || left === null) {
      readout.textContent = '\u00a0';
      return;
    }
    const t = u.posToVal(left, 'x');
    const near = Math.abs(u.posToVal(left + 4, 'x') - t);
    const lane = Math.floor((top / u.over.clientHeight) * lanes().length);
    readout.textContent = `${seconds(t)} · ${wordsAt(t, near, lane)}`;
  }

  /** @param {number} t @param {number} near @param {number} lane */
  function wordsAt(t, near, lane) {
    const violation = closest(data.violations, (one) => Math.abs(one[0] - t), near);
    if (violation) return `▲ ${violation[2]} in cycle ${violation[1]}: ${violation[3]}`;
    const name = lanes()[lane] ?? '';
    if (lane < plugs()) {
      const out = closest(
        data.outages.filter(([, , , subject]) => plugs() === 1 || subject === lane),
        ([off, on]) => Math.max(off - t, t - (on ?? end()), 0),
        near,
      );
      if (!out) return `${name}: in`;
      const [off, on, cycle, subject, where] = out;
      return `${name}: out in cycle ${cycle} (subject ${subject}, ${where}), ${on === null ? 'still' : ms(on - off)}`;
    }
    if (lane === plugs()) return 'no violation here';
    const worker = lane - plugs() - 1;
    const found = closest(
      data.operations.filter((one) => one[2] === worker),
      ([began, done]) => Math.max(began - t, t - done, 0),
      near,
    );
    if (found) {
      const [began, done, , subject, kind, code, unplugged, offset, length, cycle, id] = found;
      return (
        `${name}: ${data.kinds[kind]} of ${length} bytes at 0x${offset.toString(16)} of subject ${subject}, ` +
        `${ms(done - began)}, ${data.codes[code]}${unplugged ? ', plug out' : ''} (operation ${id}, cycle ${cycle})`
      );
    }
    const i = Math.floor(t / data.width);
    const [ok, failed] = [data.ok[worker]?.[i] ?? 0, data.failed[worker]?.[i] ?? 0];
    return `${name}: ${ok} succeeded and ${failed} failed in these ${ms(data.width)}`;
  }

  /**
   * @template T
   * @param {T[]} all
   * @param {(one: T) => number} distance
   * @param {number} near
   */
  function closest(all, distance, near) {
    let [best, found] = [near, /** @type {T | undefined} */ (undefined)];
    for (const one of all) {
      const far = distance(one);
      if (far <= best) [best, found] = [far, one];
    }
    return found;
  }

  /** @param {number} t */
  function seconds(t) {
    const digits = shown()[1] - shown()[0] < 100 ? 5 : shown()[1] - shown()[0] < 5000 ? 4 : 2;
    return `${(t / 1000).toFixed(digits)} s`;
  }
  const shown = () => [u.scales.x.min ?? 0, u.scales.x.max ?? end()];

  const labels = Math.max(...lanes().map((name) => name.length)) * 7 + 14;
  const u = new uPlot(
    {
      width,
      height: height(),
      legend: { show: false },
      scales: {
        x: {
          time: false,
          range: (/** @type {any} */ _, /** @type {number} */ a, /** @type {number} */ b) => [a, b],
        },
        y: { range: () => [0, lanes().length], dir: -1 },
      },
      series: [{}, { scale: 'y', paths: () => null, points: { show: false } }],
      axes: [
        {
          stroke: () => token('soft'),
          grid: { stroke: () => token('line'), width: 1 },
          ticks: { stroke: () => token('line') },
          space: 80,
          values: (/** @type {any} */ _, /** @type {number[]} */ splits) => {
            const step = splits.length > 1 ? splits[1] - splits[0] : 1000;
            const digits = Math.min(Math.max(Math.ceil(-Math.log10(step / 1000)), 0), 6);
            return splits.map((t) => `${(t / 1000).toFixed(digits)} s`);
          },
        },
        {
          size: labels,
          stroke: () => token('soft'),
          grid: { show: false },
          ticks: { show: false },
          splits: () => lanes().map((_, i) => i + 0.5),
          values: () => lanes(),
          gap: 6,
        },
      ],
      cursor: { drag: { x: true, y: false, setScale: true, dist: 4 }, points: { show: false }, y: false },
      hooks: { draw: [draw], setCursor: [tell] },
    },
    [
      [0, end()],
      [0, 0],
    ],
    place,
  );
  if (range) u.setScale('x', { min: range[0], max: range[1] });

  /** @param {number} from @param {number} to */
  function show(from, to) {
    const length = Math.min(Math.max(to - from, 0.05), end());
    const begin = Math.min(Math.max(from, 0), end() - length);
    u.setScale('x', { min: begin, max: begin + length });
  }

  return {
    plot: u,
    /** What is shown, where that is not all. @returns {[number, number] | undefined} */
    range() {
      const [from, to] = shown();
      return from <= 0 && to >= end() ? undefined : [from, to];
    },
    /** @param {string} how */
    zoom(how) {
      const [from, to] = shown();
      const middle = (from + to) / 2;
      const half = (to - from) / 2;
      if (how === 'in') show(middle - half / 3, middle + half / 3);
      else if (how === 'out') show(middle - half * 3, middle + half * 3);
      else if (how === 'left') show(from - half, to - half);
      else if (how === 'right') show(from + half, to + half);
      else if (how === 'all') show(0, end());
      else {
        const times = data.violations.map(([t]) => t).sort((a, b) => a - b);
        const next = times.find((t) => t > middle + half * 0.01) ?? times[0];
        if (next !== undefined) show(next - Math.min(half, 50), next + Math.min(half, 50));
      }
    },
    hasViolations: () => data.violations.length > 0,
    /** @param {TimeLineData} now */
    update(now) {
      const isAll = this.range() === undefined;
      const kept = shown();
      const [oldHeight] = [height()];
      data = now;
      prepare();
      u.setData(
        [
          [0, end()],
          [0, 0],
        ],
        isAll,
      );
      if (!isAll) u.setScale('x', { min: kept[0], max: kept[1] });
      if (height() !== oldHeight) u.setSize({ width: u.width, height: height() });
    },
  };
}
