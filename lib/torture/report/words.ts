/** What a run has found, in words. */
import type { ViolationKind, When } from '../events.js';
import { number } from './html.js';
import type { ReportCollector } from './collector.js';

export const VIOLATIONS: Readonly<Record<ViolationKind, string>> = {
  'wrong-byte': 'a byte that nothing written and nothing left uncertain explains',
  'lost-write': 'an acknowledged write is gone: the bytes from before it are there',
  'stray-write': 'bytes changed outside of every region that may be written',
  'other-content': 'after a replug most of the memory is not what it was',
  'wrong-verdict': 'verify() was wrong about what differs',
  'settled-late': 'an operation was answered too late',
  'never-settled': 'an operation was never answered',
  'settled-twice': 'an operation was answered twice',
  'success-after-end': 'an operation that began after the end has succeeded',
  'unexpected-error': 'an operation failed in a way that no unplug explains',
  'verify-failed': 'a write was acknowledged and reads back differently',
  'timed-out': 'an operation ran into a time limit while the plug was in',
  'wrong-ranges': 'the ranges reported by a failed write do not fit it',
  'uncertain-too-large': 'more was left uncertain than the page on the wire',
  'removed-missing': 'removed was never told',
  'removed-twice': 'removed was told twice',
  'removed-wrong': 'removed was told at the wrong time or with another cause',
  'wp-not-protecting': 'the write-protect line was not up at a quiet moment',
  'late-return': 'a subject came back too late, or not at all',
  hang: 'the subject does not move',
  crash: 'the process of the subject ended by itself',
  'leak-fds': 'open descriptors grow in number',
  'leak-threads': 'threads grow in number',
  'leak-memory': 'memory grows',
  'leak-handles': 'handles grow in number',
  'leak-listeners': 'listeners grow in number',
  'kernel-warning': 'the kernel has logged a warning',
  'task-stuck': 'a task stays in state D',
};

export const WHENS: Readonly<Record<When, string>> = {
  random: 'at a random moment',
  idle: 'while nothing is under way',
  'mid-read': 'in the middle of a read',
  'mid-write': 'in the middle of a write',
  'mid-cell': 'in the middle of a cell access',
  storm: 'several times in quick succession',
  'every-byte': 'at each byte on the wire in turn',
};

/** How it stands: for the first line of the page, of the terminal and the title. */
export interface Outcome {
  readonly state: 'passed' | 'failed' | 'incomplete' | 'running';
  /** Not by colour alone. */
  readonly symbol: string;
  readonly title: string;
  readonly sentence: string;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** @param isLive whether more is to come */
export function outcomeOf(collector: ReportCollector, isLive: boolean): Outcome {
  const { verdict, tally } = collector;
  const violations = Math.max(tally.violations, verdict?.violations ?? 0);
  const done = `${plural(tally.cycles, 'cycle')}, ${plural(tally.operations, 'operation')}`;
  const found = foundOf(collector, violations);
  if (violations > 0 || verdict?.ended === 'violation') {
    const more = verdict || !isLive ? '' : ' The run goes on.';
    return { state: 'failed', symbol: '✗', title: 'Failed', sentence: `${found} in ${done}.${more}` };
  }
  if (!verdict) {
    return isLive
      ? { state: 'running', symbol: '…', title: 'Running', sentence: `No violation so far in ${done}.` }
      : {
          state: 'incomplete',
          symbol: '!',
          title: 'Cut off',
          sentence: `The log ends without a verdict. No violation until then, in ${done}.`,
        };
  }
  if (verdict.passed && verdict.ended === 'finished') {
    return { state: 'passed', symbol: '✓', title: 'Passed', sentence: `No violation in ${done}.` };
  }
  const interrupted = verdict.ended === 'interrupted';
  return {
    state: 'incomplete',
    symbol: '!',
    title: interrupted ? 'Interrupted' : 'Not completed',
    sentence: interrupted
      ? `Ended by the user. No violation until then, in ${done}.`
      : `The run could not go on, and that says nothing about the subject. No violation until then, in ${done}.`,
  };
}

function foundOf({ violationsByKind }: ReportCollector, violations: number): string {
  const kinds = [...violationsByKind].sort(([, a], [, b]) => b - a);
  const list = kinds.map(([kind, count]) => (count === 1 ? kind : `${kind} ×${number(count)}`)).join(', ');
  return `${plural(violations, 'violation')}${list === '' ? '' : ` (${list})`}`;
}
