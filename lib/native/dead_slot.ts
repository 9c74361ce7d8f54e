/** What stands in for a slot that the addon refused to make: numb from the beginning, like one whose provider has gone. */
import { Finding } from './finding.js';
import type { NativeOutcome, NativeReadOutcome, NativeSlot } from './types.js';

/** An operation that never began. */
export function failed(status: number): NativeReadOutcome {
  return {
    status,
    transferred: 0,
    uncertain: 0,
    unchanged: 0,
    protectStatus: 0,
    mismatchOffset: 0,
    mismatchCount: 0,
    finding: Finding.None,
    found: 0,
    reason: '',
    data: Buffer.alloc(0),
  };
}

export class DeadSlot implements NativeSlot {
  readonly alive = false;
  readonly #status: number;

  /** `status`: the negative errno that every operation ends with. */
  constructor(status: number) {
    this.#status = status;
  }

  readNow(): number {
    return this.#status;
  }

  writeNow(): number {
    return this.#status;
  }

  read(): Promise<NativeReadOutcome> {
    return Promise.resolve(failed(this.#status));
  }

  write(): Promise<NativeOutcome> {
    return this.read();
  }

  probe(): Promise<NativeOutcome> {
    return this.read();
  }

  probeWidth(): Promise<NativeOutcome> {
    return this.read();
  }

  probeGeometry(): Promise<NativeOutcome> {
    return this.read();
  }

  lock(): Promise<NativeOutcome> {
    return this.read();
  }

  lockState(): Promise<NativeOutcome> {
    return this.read();
  }

  stats(): undefined {
    return undefined;
  }

  hold(): number {
    return this.#status;
  }

  share(): number {
    return this.#status;
  }

  takeTurn(): number {
    return this.#status;
  }

  bind(): number {
    return this.#status;
  }

  unregister(): Promise<void> {
    return Promise.resolve();
  }
}
