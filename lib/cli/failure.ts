/** Errors on their way out of the command line: one sentence, the next step, and an exit status. */
import { messageOf, propertyOf } from '../base/foreign.js';
import { entryOf, NvmemError } from '../base/errors.js';
import { exitStatusOf, type ExitStatus } from './exit_status.js';
import { SignalReceived } from './io.js';

/** Ends a command with more to say than the error itself has. */
export class CommandFailure extends Error {
  constructor(
    override readonly cause: unknown,
    /** Stands beside `error` in the JSON document. */
    readonly facts: Readonly<Record<string, unknown>>,
    /** Further lines for people. */
    readonly notes: readonly string[] = [],
  ) {
    super('command failed');
  }
}

/** A wrong command line, or a file of the caller's that cannot be used. */
export class CliError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string,
    readonly exitStatus: ExitStatus,
  ) {
    super(message);
    this.name = 'CliError';
  }
}

export interface FailureReport {
  readonly status: number;
  readonly message: string;
  readonly hint: string;
  /** `error` of the JSON document. */
  readonly json: Readonly<Record<string, unknown>>;
}

export function describeFailure(error: unknown): FailureReport {
  if (error instanceof NvmemError) {
    const { code, cause } = error;
    const hint = cause instanceof SignalReceived ? `${cause.signalName} ended it.` : error.hint;
    return {
      status: statusOf(error),
      message: error.message,
      hint,
      json: withoutUndefined({
        code,
        message: error.message,
        hint,
        errno: error.errno,
        syscall: error.syscall,
        device: error.device,
        offset: error.offset,
        bytesTransferred: error.bytesTransferred,
        committed: error.committed,
        uncertain: error.uncertain,
        untouched: error.untouched,
        mismatchOffset: error.mismatchOffset,
        mismatchCount: error.mismatchCount,
        diagnosis: error.diagnosis,
        protectError: error.protectError && {
          code: error.protectError.code,
          message: error.protectError.message,
        },
      }),
    };
  }
  const { code: given } = (error ?? {}) as { code?: unknown };
  const code = typeof given === 'string' ? given : 'ERR_INTERNAL';
  const said = messageOf(error);
  const own = propertyOf(error, 'hint');
  const hint = typeof own === 'string' ? own : (entryOf(code)?.hint ?? hintOf(code));
  // Who has no place for a hint has it at the end of the message.
  const message = said.endsWith(`. ${hint}`) ? said.slice(0, -hint.length - 2) : said;
  return { status: statusOf(error), message, hint, json: { code, message, hint } };
}

function hintOf(code: string): string {
  if (code.startsWith('ERR_INVALID') || code === 'ERR_OUT_OF_RANGE') return 'Correct what the message names.';
  return 'This is a bug in nvmem: please report it.';
}

function statusOf(error: unknown): number {
  if (error instanceof CliError) return error.exitStatus;
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (cause instanceof SignalReceived) return cause.exitStatus;
  if (typeof code !== 'string') return 1;
  if (code === 'ERR_INVALID_ARG_TYPE' || code === 'ERR_OUT_OF_RANGE') return 2;
  return exitStatusOf(code);
}

export function withoutUndefined(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
