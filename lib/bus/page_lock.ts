/** The lockable page of a part: whether it is locked, and the command that locks it for ever (ST's Lock ID). */
import { EOPNOTSUPP, EPERM } from '../base/errno.js';
import { CallSite, type NvmemError } from '../base/errors.js';
import { checkOperationOptions } from '../base/validate.js';
import { Interrupted, Operation } from '../core/operation.js';
import { noPage, type Below, type LockOptions, type PartCommands } from '../core/part_commands.js';
import type { NativeSlot } from '../native/index.js';
import type { Part } from '../uri/part.js';
import { serialPartOf } from '../chips/chips.js';

const KEYS = ['signal', 'timeoutMs'];

export class PageLock implements Pick<PartCommands, 'isLocked' | 'lock'> {
  readonly #slot: NativeSlot;
  readonly #part: Part;

  constructor(slot: NativeSlot, part: Part) {
    this.#slot = slot;
    this.#part = part;
  }

  /** Undefined: the bus cannot ask without writing. */
  async isLocked(device: string, options: LockOptions, below: Below): Promise<boolean | undefined> {
    return this.#run(device, 'lock-state', options, below, async (operation) => {
      const outcome = await this.#slot.lockState(ioOf(operation));
      if (outcome.status === EOPNOTSUPP) return undefined;
      if (outcome.status !== 0) throw operation.error(outcome);
      return outcome.transferred === 1;
    });
  }

  /** True where the part itself says afterwards that it is locked. */
  async lock(device: string, readOnly: boolean, options: LockOptions, below: Below): Promise<boolean> {
    return this.#run(device, 'lock', options, below, async (operation) => {
      if (readOnly) throw operation.error({ status: EPERM, reason: 'it was opened read-only' });
      const turn = this.#slot.takeTurn();
      if (typeof turn === 'number') throw operation.error({ status: turn });
      try {
        if (turn.granted) await operation.waitFor(turn.granted);
        const outcome = await this.#slot.lock(ioOf(operation));
        if (outcome.status === 0) return outcome.transferred === 1;
        const hint =
          outcome.status === EPERM
            ? 'WC has to be low for it: wp=N names the GPIO on it. Where it is low, the page is locked already.'
            : undefined;
        const maybe = outcome.uncertain > 0 ? 'the page may be locked by now: ' : '';
        throw operation.error({ ...outcome, reason: `${maybe}${outcome.reason}` }, hint ? { hint } : {});
      } catch (error) {
        if (error instanceof Interrupted) throw operation.error(error);
        throw error;
      } finally {
        turn.give();
      }
    });
  }

  async #run<T>(
    device: string,
    syscall: string,
    options: LockOptions,
    below: Below,
    body: (operation: Operation) => Promise<T>,
  ): Promise<T> {
    checkOperationOptions(options, KEYS);
    const { chip, size } = this.#part;
    const operation = new Operation(device, syscall, 0, size, new CallSite(below), options);
    try {
      if (operation.status !== 0) throw operation.error({ status: operation.status });
      if (chip.lockWord === undefined) throw noPageAt(operation, this.#part);
      return await body(operation);
    } finally {
      operation.dispose();
    }
  }
}

function ioOf(operation: Operation): { signal: AbortSignal | undefined; timeoutMs: number | undefined } {
  return { signal: operation.signal, timeoutMs: operation.remainingMs };
}

function noPageAt(operation: Operation, part: Part): NvmemError {
  const page = serialPartOf(part.chip, part.address);
  if (page?.chip.lockWord === undefined) return noPage(operation);
  return noPage(
    operation,
    `The lockable page of this part is at 0x${page.address.toString(16)}: open it there.`,
  );
}
