/** New lines of the kernel's log that it does not write while it is well. */
import { closeSync, constants, openSync, readSync } from 'node:fs';

const DISTRESS =
  /WARNING: |BUG: |\bOops\b|general protection|KASAN|KCSAN|UBSAN|use-after-free|refcount_t|list_(add|del) corruption|blocked for more than|soft lockup|rcu.*stall|Call Trace|possible circular locking|scheduling while atomic/;

export class KernelLog {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(8192);

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** From now on; or why not. */
  static open(path = '/dev/kmsg'): KernelLog | string {
    try {
      const log = new KernelLog(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
      log.distress(); // what was there before is none of the run's
      return log;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** What is new since the last call: distress, with what surrounds it. */
  distress(): string[] {
    const lines = this.#lines();
    const first = lines.findIndex((line) => DISTRESS.test(line));
    return first < 0 ? [] : lines.slice(first, first + 60);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** A record is "level,number,microseconds,flags;text", and one read gives one. */
  #lines(): string[] {
    const lines: string[] = [];
    for (;;) {
      try {
        const length = readSync(this.#fd, this.#buffer, 0, this.#buffer.length, null);
        if (length === 0) return lines;
        const [record = ''] = this.#buffer.toString('utf8', 0, length).split('\n');
        lines.push(record.slice(record.indexOf(';') + 1));
      } catch (error) {
        if ((error as { code?: unknown }).code === 'EPIPE') continue; // the ring has gone over what was not read yet
        return lines;
      }
    }
  }
}
