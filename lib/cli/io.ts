/** What the command line needs of the process, so that commands can be driven by a test. */
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';

import type { Machine } from '../machine/machine.js';
import type { StopGate } from './signals.js';

export type OutputStream = Writable & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

export interface CliIo {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** Aborted by the signals that end a program, with SignalReceived. */
  readonly signal: AbortSignal;
  /** Where Ctrl-Z waits until it may stop the process. Default: it is not ours to wait for. */
  readonly stops?: StopGate;
  /** The machine that list, scan and doctor look at. Default: this one. */
  readonly machine?: Machine;
}

/** The reason of the abort signal when a signal ended the command. */
export class SignalReceived extends Error {
  constructor(readonly signalName: NodeJS.Signals) {
    super(signalName);
    this.name = 'SignalReceived';
  }

  /** 128 and the number of the signal, as shells have it. */
  get exitStatus(): number {
    return 128 + constants.signals[this.signalName];
  }
}
