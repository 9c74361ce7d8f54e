/** The line of a run on a terminal, and its last words. */
import { Writable } from 'node:stream';

import { Output } from '../../../lib/cli/output';
import { statusLine, summaryLines, TortureStatus, type Standing } from '../../../lib/cli/torture_status';
import type { TortureEvent } from '../../../lib/torture/events';
import { runOf, startOf, verdictOf } from '../torture/events';

const STANDING: Standing = {
  cycles: 137,
  plannedCycles: 200,
  operations: 12_345,
  worstMs: 4.29,
  violations: 0,
  leftMs: 9000,
};

function outputOf(columns: number | undefined): { readonly output: Output; readonly text: () => string } {
  let text = '';
  const stream = Object.assign(
    new Writable({
      write(chunk, _encoding, done) {
        text += String(chunk);
        done();
      },
    }),
    columns === undefined ? {} : { isTTY: true, columns },
  );
  return { output: new Output(stream, new AbortController().signal), text: () => text };
}

const RED = { red: (text: string): string => `\x1b[31m${text}\x1b[39m` };
const PLAIN = { red: (text: string): string => text };

test('the line says all of it where there is room', () => {
  expect(statusLine(STANDING, 79)).toBe(
    'cycle 137/200  12345 operations  worst answer 4.3 ms  0 violations  9 s left',
  );
  expect(statusLine(STANDING, 39)).toBe('137/200  4.3 ms  0 violations  9 s');
  expect(statusLine({ ...STANDING, violations: 1, leftMs: null, worstMs: null }, 79)).toBe(
    '✗ cycle 137/200  12345 operations  1 violation',
  );
});

test('it is never longer than the terminal is wide, and cycles and violations are the last to go', () => {
  const big = { ...STANDING, cycles: 144_000, plannedCycles: 1_000_000, operations: 98_765_432, leftMs: 3e7 };
  for (let width = 1; width < 120; width++) {
    expect(statusLine(big, width).length).toBeLessThanOrEqual(width);
    if (width >= 39) expect(statusLine(big, width)).toMatch(/144000.*0 violations/);
  }
});

function play(
  columns: number | undefined,
  colors = PLAIN,
  events: Iterable<TortureEvent> = runOf({ cycles: 9, violationAt: 5 }),
): string {
  const { output, text } = outputOf(columns);
  const status = new TortureStatus(output, colors);
  for (const event of events) {
    status.add(event);
    if (event.type === 'cycle') status.draw();
  }
  status.end();
  return text();
}

test.each([40, 80, 0])('on a terminal of %i columns it is drawn over itself, and taken away', (columns) => {
  const text = play(columns);
  const lines = text.split('\r\x1b[K');
  expect(lines.length).toBeGreaterThan(5);
  for (const line of lines) expect(line.length).toBeLessThan(columns || 80);
  expect(text.endsWith('\r\x1b[K')).toBe(true);
  expect(text).not.toContain('\n');
  expect(text).not.toContain('\x1b[3');
});

test('a violation is red where there are colours, and has its sign where there are none', () => {
  expect(play(80, RED)).toContain('\x1b[31m✗ cycle 5/9');
  expect(play(80)).toContain('✗ cycle 5/9');
});

test('where there is no terminal it is a plain line now and then', () => {
  expect(play(undefined)).toBe('');
  const now = jest.spyOn(performance, 'now');
  const real = performance.timeOrigin;
  let at = real;
  now.mockImplementation(() => (at += 4000));
  try {
    const text = play(undefined);
    expect(text).toMatch(/^cycle \d+\/9 {2}\d+ operations.*violations?.*\n/);
    expect(text).not.toContain('\r');
    expect(text).not.toContain('\x1b');
  } finally {
    now.mockRestore();
  }
});

test('time left is that of what ends it first', () => {
  const { output } = outputOf(80);
  const status = new TortureStatus(output, PLAIN);
  status.add(startOf({ cycles: null, durationMs: 60_000 }));
  expect(status.standing.leftMs).toBeGreaterThan(50_000);
  expect(status.standing.leftMs).toBeLessThanOrEqual(60_000);
  status.add(verdictOf());
});

describe('the last words', () => {
  const events = [...runOf({ cycles: 30, violationAt: 12 })];
  const verdict = events.find((event) => event.type === 'verdict') ?? verdictOf();
  const start = events.find((event) => event.type === 'start');

  test('the verdict first, then numbers, then how to play it again', () => {
    const lines = summaryLines(verdict, start, 80);
    expect(lines[0]).toMatch(/^✗ failed, 1 violation: 12 cycles, \d+ operations/);
    expect(lines.at(-2)).toBe('Play it again:');
    expect(lines.at(-1)).toBe('  nvmem torture --replay nvmem-torture-1.json');
    expect(lines.join('\n')).toMatch(/unplug to rejection: median .* ms, p99/);
    expect(lines.join('\n')).toContain('seed: 1');
  });

  test('no line but a command is longer than the width', () => {
    for (const width of [40, 80]) {
      for (const line of summaryLines(verdict, start, width).slice(0, -1)) {
        expect(line.length).toBeLessThanOrEqual(width);
      }
    }
  });

  test('passed, interrupted, not completed', () => {
    const first = (change: Parameters<typeof verdictOf>[0]): string =>
      summaryLines(verdictOf(change), start, 80)[0] ?? '';
    expect(first({})).toMatch(/^✓ passed/);
    expect(first({ ended: 'interrupted' })).toMatch(/^! interrupted/);
    expect(first({ ended: 'failed', passed: false })).toMatch(/^! not completed/);
    expect(summaryLines(verdictOf({ ended: 'failed', reason: 'a\x1b[2Jb' }), start, 80).join('')).toContain(
      'a\\x1b[2Jb',
    );
  });
});
