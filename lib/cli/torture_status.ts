/** How a torture run stands, in one line of the terminal that is drawn over itself; and what is said at its end. */
import type { StartEvent, TortureEvent, VerdictEvent } from '../torture/events.js';
import { visible } from '../base/visible.js';
import { bytes, duration } from './format.js';
import type { Output } from './output.js';
import { isInBackground } from './progress.js';

const DRAW_EVERY_MS = 200;
/** Where there is no terminal. */
const SAY_EVERY_MS = 10_000;

/** @internal What the line says. */
export interface Standing {
  readonly cycles: number;
  /** Planned; null: as long as it takes. */
  readonly plannedCycles: number | null;
  readonly operations: number;
  /** The slowest answer to an unplug, milliseconds; null: none yet. */
  readonly worstMs: number | null;
  readonly violations: number;
  /** Milliseconds; null: not known. */
  readonly leftMs: number | null;
}

/** Colours, as picocolors has them; without them where NO_COLOR is set. */
export interface StatusColors {
  readonly red: (text: string) => string;
}

/**
 * Takes the events of a run. On a terminal its line is drawn over itself a few times a second, also while nothing happens;
 * elsewhere it is a line every ten seconds. Whoever prints something else calls clear() first.
 */
export class TortureStatus {
  readonly #out: Output;
  readonly #colors: StatusColors;
  #start: StartEvent | undefined;
  #began = 0;
  #cycles = 0;
  #operations = 0;
  #worstMs: number | null = null;
  #violations = 0;
  #isDrawn = false;
  #said = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(out: Output, colors: StatusColors) {
    this.#out = out;
    this.#colors = colors;
  }

  add(event: TortureEvent): void {
    switch (event.type) {
      case 'start':
        this.#start = event;
        this.#began = performance.now();
        this.#said = this.#began;
        this.#timer ??= setInterval(() => {
          this.draw();
        }, DRAW_EVERY_MS).unref();
        break;
      case 'operation':
        this.#operations++;
        break;
      case 'cycle':
        this.#cycles++;
        if (event.rejectionMs !== null) this.#worstMs = Math.max(this.#worstMs ?? 0, event.rejectionMs);
        break;
      case 'violation':
        this.#violations++;
        break;
      case 'verdict':
        this.end();
        break;
      case 'open':
      case 'plug':
      case 'removed':
      case 'sample':
      case 'note':
        break;
    }
  }

  /** @internal For tests, and the timer. */
  draw(): void {
    if (!this.#start) return;
    if (!this.#out.isTTY) {
      if (performance.now() - this.#said < SAY_EVERY_MS) return;
      this.#said = performance.now();
      this.#out.push(`${statusLine(this.standing, Infinity)}\n`);
      return;
    }
    // From the background it would stand in somebody else's way.
    if (isInBackground()) return;
    // A terminal that does not know its width says 0. One column stays free: some break a line that is full.
    const width = (this.#out.columns > 0 ? this.#out.columns : 80) - 1;
    const line = statusLine(this.standing, width);
    this.#isDrawn = true;
    this.#out.push(`\r\x1b[K${this.#violations > 0 ? this.#colors.red(line) : line}`);
  }

  /** Takes the line away; it is back with the next look. */
  clear(): void {
    if (this.#isDrawn && !isInBackground()) this.#out.push('\r\x1b[K');
    this.#isDrawn = false;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#start = undefined;
    this.clear();
  }

  get standing(): Standing {
    const spent = performance.now() - this.#began;
    const { cycles: plannedCycles = null, durationMs = null } = this.#start ?? {};
    const byCycles =
      plannedCycles !== null && this.#cycles > 0
        ? (spent / this.#cycles) * (plannedCycles - this.#cycles)
        : null;
    const byTime = durationMs === null ? null : durationMs - spent;
    // Whichever comes first ends it.
    const left = byCycles === null || byTime === null ? (byCycles ?? byTime) : Math.min(byCycles, byTime);
    return {
      cycles: this.#cycles,
      plannedCycles,
      operations: this.#operations,
      worstMs: this.#worstMs,
      violations: this.#violations,
      leftMs: left === null ? null : Math.max(left, 0),
    };
  }
}

/** @internal For tests. The longest of its forms that has room in `width` characters. */
export function statusLine(standing: Standing, width: number): string {
  const { cycles, plannedCycles, operations, worstMs, violations, leftMs } = standing;
  const of = plannedCycles === null ? String(cycles) : `${String(cycles)}/${String(plannedCycles)}`;
  const worst = worstMs === null ? undefined : latency(worstMs);
  const left = leftMs === null ? undefined : timeLeft(leftMs);
  const found = `${String(violations)} violation${violations === 1 ? '' : 's'}`;
  const mark = violations > 0 ? '✗ ' : '';
  const forms = [
    [
      `${mark}cycle ${of}`,
      `${String(operations)} operations`,
      worst && `worst answer ${worst}`,
      found,
      left && `${left} left`,
    ],
    [
      `${mark}cycle ${of}`,
      `${String(operations)} ops`,
      worst && `worst ${worst}`,
      found,
      left && `${left} left`,
    ],
    [`${mark}${of}`, `${String(operations)} ops`, worst, found, left],
    [`${mark}${of}`, worst, found, left],
    [`${mark}${of}`, found, left],
    [`${mark}${of}`, found],
  ].map((parts) => parts.filter((part) => part !== undefined).join('  '));
  return forms.find((form) => form.length <= width) ?? (forms.at(-1) ?? '').slice(0, width);
}

function latency(ms: number): string {
  return ms < 100 ? `${ms.toFixed(1)} ms` : duration(ms);
}

/** '9 s', '12 min', '7 h 59 min'. */
function timeLeft(ms: number): string {
  const s = Math.ceil(ms / 1000);
  if (s < 120) return `${String(s)} s`;
  const min = Math.ceil(s / 60);
  return min < 120 ? `${String(min)} min` : `${String(Math.floor(min / 60))} h ${String(min % 60)} min`;
}

/**
 * What a run has shown, for its end: the verdict first, then the numbers, then how to repeat it. Lines of at most `width`
 * characters, but for commands, which stay whole so that they can be copied.
 */
export function summaryLines(verdict: VerdictEvent, start: StartEvent | undefined, width: number): string[] {
  const { totals, violations, ended, reason, hint, replay, t } = verdict;
  const { rejection, recovery, loopDelay, cycles, operations, checkedBytes } = totals;
  const done = `${counted(cycles, 'cycle')}, ${counted(operations, 'operation')}, ${duration(t)}`;
  const facts = [
    `${bytes(totals.bytesRead)} read, ${bytes(totals.bytesWritten)} written, ${bytes(checkedBytes)} checked`,
    rejection &&
      `unplug to rejection: median ${latency(rejection.p50)}, p99 ${latency(rejection.p99)}, worst ${latency(rejection.max)}`,
    recovery &&
      `replug to first good read: median ${latency(recovery.p50)}, p99 ${latency(recovery.p99)}, worst ${latency(recovery.max)}`,
    loopDelay && `event-loop delay: median ${latency(loopDelay.p50)}, worst p99.9 ${latency(loopDelay.p999)}`,
    `results: ${Object.entries(totals.byCode)
      .sort(([, a], [, b]) => b - a)
      .map(([code, count]) => `${visible(code)} ${String(count)}`)
      .join(', ')}`,
  ];
  const command = replay?.command ?? start?.command;
  return [
    ...wrapped(`${verdictWords(verdict)}: ${done}.`, width),
    ...[reason, hint].flatMap((text) => (text === undefined ? [] : wrapped(visible(text), width))),
    ...facts.flatMap((fact) => (fact === null ? [] : wrapped(`  ${fact}`, width, '    '))),
    ...(start ? [`  seed: ${String(start.seed)}`] : []),
    ...(command === undefined
      ? []
      : [replay || violations > 0 || ended === 'violation' ? 'Play it again:' : 'Repeat it:']),
    ...(command === undefined ? [] : [`  ${visible(command)}`]),
  ];
}

function verdictWords({ passed, ended, violations }: VerdictEvent): string {
  if (violations > 0 || ended === 'violation') return `✗ failed, ${counted(violations, 'violation')}`;
  if (ended === 'failed') return '! not completed, no violation until then';
  if (ended === 'interrupted') return '! interrupted, no violation until then';
  return passed ? '✓ passed, no violation' : '! not passed, no violation';
}

function counted(count: number, one: string): string {
  return `${String(count)} ${one}${count === 1 ? '' : 's'}`;
}

/** Lines broken between words; `more` stands before those after the first. */
function wrapped(text: string, width: number, more = ''): string[] {
  const lines: string[] = [];
  let line = /^ */.exec(text)?.[0] ?? '';
  let isEmpty = true;
  for (const word of text.trim().split(/ +/)) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = more;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}
