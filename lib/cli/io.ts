/** What the command line needs of the process, so that commands can be driven by a test. */
import type { Readable, Writable } from 'node:stream';

import type { Machine } from '../machine/machine.js';

export interface CliIo {
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** The machine that list, scan and doctor look at. Default: this one. */
  readonly machine?: Machine;
}

/** Resolves when the stream has taken it: a pipe may be full for a while. */
export function writeOut(stream: Writable, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** The reason of the abort signal when a signal ended the command. */
export class SignalReceived extends Error {
  constructor(readonly signalName: 'SIGINT' | 'SIGTERM') {
    super(signalName);
    this.name = 'SignalReceived';
  }

  /** 128 and the number of the signal, as shells have it. */
  get exitStatus(): 130 | 143 {
    return this.signalName === 'SIGINT' ? 130 : 143;
  }
}
