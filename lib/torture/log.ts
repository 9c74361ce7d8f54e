/** The log of a run: a line of JSON for each event, in the order in which they were told. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';

import type { TortureEvent } from './events.js';

export class EventLog {
  readonly #stream: WriteStream;
  #failure: Error | undefined;

  private constructor(stream: WriteStream) {
    this.#stream = stream;
    stream.on('error', (error) => {
      this.#failure ??= error;
    });
  }

  /** Rejects with the file system's error: it cannot be written. */
  static async open(file: string): Promise<EventLog> {
    const stream = createWriteStream(file);
    await once(stream, 'open');
    return new EventLog(stream);
  }

  /** Why nothing is written any more; undefined: it is. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Resolves when there is room for the next one. */
  async add(event: TortureEvent): Promise<void> {
    if (this.#failure || this.#stream.write(`${JSON.stringify(event)}\n`)) return;
    await Promise.race([once(this.#stream, 'drain'), once(this.#stream, 'close')]).catch(() => undefined);
  }

  /** Resolves when all of it is with the kernel, or it has failed. */
  async close(): Promise<void> {
    if (this.#stream.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#stream.once('close', resolve);
      this.#stream.end();
    });
  }
}
