/** One run of one command: where it prints, and the device it works on. */
import pc from 'picocolors';

import type { OpenDevice, OpenOptions } from '../bus/open_device.js';
import { open } from '../open/open.js';
import { parseUri, type NvmemUri } from '../uri/uri.js';
import { CommandFailure, withoutUndefined } from './failure.js';
import { writeOut, type CliIo } from './io.js';
import { Machine } from '../machine/machine.js';

export interface CommonOptions {
  readonly json?: boolean;
  readonly timeout?: number;
}

export type JsonDocument = Readonly<Record<string, unknown>>;
type Colors = ReturnType<typeof pc.createColors>;

export class Session {
  readonly colors: Colors;
  readonly machine: Machine;
  #document: JsonDocument | undefined;

  constructor(
    readonly io: CliIo,
    readonly options: CommonOptions,
  ) {
    this.colors = pc.createColors(pc.isColorSupported && io.stdout.isTTY === true && !this.json);
    this.machine = io.machine ?? new Machine();
  }

  /** Columns for running text; where nobody knows them, and in a pipe, a page's. */
  get width(): number {
    const { isTTY, columns = 0 } = this.io.stdout;
    return isTTY === true && columns > 0 ? Math.max(Math.min(columns, 120), 40) : 100;
  }

  get json(): boolean {
    return this.options.json === true;
  }

  /** A line for people, on standard output; with --json there is none. */
  async say(line: string): Promise<void> {
    if (!this.json) await writeOut(this.io.stdout, `${line}\n`);
  }

  /** A line for people beside the data, on standard error. */
  async note(line: string): Promise<void> {
    await writeOut(this.io.stderr, `${line}\n`);
  }

  /** The one JSON document of this command, printed at its end. */
  answer(document: JsonDocument): void {
    this.#document = withoutUndefined({ ok: true, ...document });
  }

  async finish(): Promise<void> {
    if (this.json && this.#document) await writeOut(this.io.stdout, `${JSON.stringify(this.#document)}\n`);
  }

  /**
   * Opens the device, runs `body`, and closes it whatever happens. What goes wrong carries the facts about the device
   * into the JSON document.
   */
  async withDevice(
    uri: string,
    openOptions: OpenOptions,
    body: (device: OpenDevice, facts: DeviceFacts) => Promise<void>,
  ): Promise<void> {
    const parsed = parseUri(uri);
    const { signal } = this.io;
    const { timeout } = this.options;
    const limit = timeout === undefined ? undefined : { openTimeoutMs: timeout };
    const device = await open(uri, { ...openOptions, ...limit, signal }).catch((error: unknown) => {
      throw error instanceof CommandFailure
        ? error
        : new CommandFailure(error, { uri, chip: chipName(parsed) });
    });
    try {
      await body(device, { uri, chip: chipName(parsed), device: device.name });
    } finally {
      await device.close();
    }
  }

  /** Options for one read or write. */
  get limits(): { signal: AbortSignal; timeoutMs?: number } {
    const { timeout } = this.options;
    return { signal: this.io.signal, ...(timeout !== undefined && { timeoutMs: timeout }) };
  }
}

/** What every JSON document says of the device. */
export interface DeviceFacts {
  readonly uri: string;
  readonly chip: string | undefined;
  readonly device: string;
}

export function chipName(uri: NvmemUri): string | undefined {
  return 'part' in uri ? uri.part.chip.name : undefined;
}
