/** One run of one command: where it prints, and the device it works on. */
import pc from 'picocolors';

import type { OpenOptions } from '../bus/open_device.js';
import type { NvmemDevice } from '../core/device.js';
import { openParsed } from '../open/open.js';
import { jsonLine, visible } from '../base/visible.js';
import type { NvmemUri } from '../uri/uri.js';
import { CommandFailure, withoutUndefined } from './failure.js';
import type { CliIo } from './io.js';
import type { Memory } from './memory.js';
import type { Output } from './output.js';
import { wrap } from './table.js';
import { parseUriArgument } from './uri_argument.js';
import { Machine } from '../machine/machine.js';

export interface CommonOptions {
  readonly json?: boolean;
  readonly timeout?: number;
  /** What is not there, or is unplugged meanwhile, is waited for. */
  readonly wait?: boolean;
}

export type JsonDocument = Readonly<Record<string, unknown>>;
type Colors = ReturnType<typeof pc.createColors>;

/** What picocolors puts around text here: bold, dim, red, green, yellow, and their ends. */
// eslint-disable-next-line no-control-regex -- an escape sequence begins with a control character
const OUR_COLORS = /(\x1b\[(?:1|2|22|31|32|33|39)m)/;

export class Session {
  readonly colors: Colors;
  readonly machine: Machine;
  #document: JsonDocument | undefined;
  #end: number | undefined;

  constructor(
    readonly io: CliIo,
    readonly out: Output,
    readonly err: Output,
    readonly options: CommonOptions,
  ) {
    this.colors = pc.createColors(pc.isColorSupported && out.isTTY && !this.json);
    this.machine = io.machine ?? new Machine();
  }

  /** Columns for running text; where nobody knows them, and in a pipe, a page's. */
  get width(): number {
    const { columns } = this.out;
    return columns > 0 ? Math.max(Math.min(columns, 120), 40) : 100;
  }

  get json(): boolean {
    return this.options.json === true;
  }

  /**
   * A line for people, on standard output; with --json there is none. Whatever it is made of, it is one line, and does nothing
   * to a terminal but what our own colours do.
   */
  async say(line = ''): Promise<void> {
    if (!this.json) await this.out.write(`${this.#shown(line)}\n`);
  }

  /** Running text: on a terminal broken between words, lines after the first one behind `indent`. */
  async tell(text: string, indent = ''): Promise<void> {
    if (!this.out.isTTY) return this.say(`${indent}${text}`);
    for (const line of wrap(visible(text), this.width - indent.length)) await this.say(`${indent}${line}`);
  }

  /** A line for people beside the data, on standard error. */
  async note(line: string): Promise<void> {
    await this.err.write(`${visible(line)}\n`);
  }

  #shown(line: string): string {
    if (!this.colors.isColorSupported) return visible(line);
    return line
      .split(OUR_COLORS)
      .map((piece, i) => (i % 2 === 1 ? piece : visible(piece)))
      .join('');
  }

  /** The one JSON document of this command, printed at its end. */
  answer(document: JsonDocument): void {
    this.#document = withoutUndefined({ ok: true, ...document });
  }

  async finish(): Promise<void> {
    if (this.json && this.#document) await this.out.write(`${jsonLine(this.#document)}\n`);
  }

  /**
   * Opens the device, runs `body`, and closes it whatever happens. What goes wrong carries the facts about the device
   * into the JSON document.
   */
  async withDevice(
    uri: string,
    openOptions: OpenOptions,
    body: (device: NvmemDevice, facts: DeviceFacts) => Promise<void>,
  ): Promise<void> {
    const parsed = parseUriArgument(uri);
    const { signal } = this.io;
    const { timeout } = this.options;
    const limit = timeout === undefined ? undefined : { openTimeoutMs: timeout };
    const device = await openParsed(parsed, { ...openOptions, ...limit, signal }).catch((error: unknown) => {
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

  /** As withDevice(), for what is only read and written: with --wait the memory is followed. */
  async withMemory(
    uri: string,
    openOptions: OpenOptions,
    body: (memory: Memory, facts: DeviceFacts) => Promise<void>,
  ): Promise<void> {
    if (this.options.wait !== true) {
      await this.withDevice(uri, openOptions, (device, facts) => body(device, facts));
      return;
    }
    const parsed = parseUriArgument(uri);
    const facts = { uri, chip: chipName(parsed) };
    const { timeout } = this.options;
    if (timeout !== undefined) this.#end = performance.now() + timeout;
    const { withFollowed } = await import('./followed_memory.js');
    await withFollowed(this, parsed, uri, openOptions, (memory) =>
      body(memory, { ...facts, device: memory.name }),
    ).catch((error: unknown) => {
      throw error instanceof CommandFailure ? error : new CommandFailure(error, facts);
    });
  }

  /** Options for one read or write; with --wait what is left for all of it. */
  get limits(): { signal: AbortSignal; timeoutMs?: number } {
    const left = this.#end === undefined ? this.options.timeout : Math.max(this.#end - performance.now(), 1);
    return { signal: this.io.signal, ...(left !== undefined && { timeoutMs: left }) };
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
