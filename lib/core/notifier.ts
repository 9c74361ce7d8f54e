/** The kernel's notifier chain, for those who want its events in its order; see NvmemEvents for the documented one. */
import { NvmemError } from '../base/errors.js';
import { checkFunction, checkInteger, checkObject } from '../base/validate.js';

/** NVMEM_ADD, NVMEM_REMOVE, NVMEM_CELL_ADD, NVMEM_CELL_REMOVE. */
export type NvmemNotification = 'ADD' | 'REMOVE' | 'CELL_ADD' | 'CELL_REMOVE';

export interface NvmemNotifier {
  /** The higher, the earlier; equal ones in the order in which they came. Default 0. */
  readonly priority?: number | undefined;
  /** `name`: of the device, or of the cell. Returning 'stop' or 'bad' keeps it from those that come after. */
  notify(event: NvmemNotification, name: string, device: string): unknown;
}

export class NotifierChain {
  #chain: NvmemNotifier[] = [];

  /** @throws NvmemError EEXIST: it is there already (notifier_chain_register()). */
  add(notifier: NvmemNotifier): void {
    checkFunction('notifier.notify', Reflect.get(checkObject('notifier', notifier), 'notify'));
    const priority = checkInteger('notifier.priority', notifier.priority ?? 0, -0x80000000, 0x7fffffff);
    if (this.#chain.includes(notifier)) {
      throw new NvmemError('EEXIST', 'that notifier is registered already', { syscall: 'registerNotifier' });
    }
    const at = this.#chain.findIndex((other) => (other.priority ?? 0) < priority);
    this.#chain.splice(at < 0 ? this.#chain.length : at, 0, notifier);
  }

  /** Whether it was there. */
  remove(notifier: NvmemNotifier): boolean {
    checkObject('notifier', notifier);
    const at = this.#chain.indexOf(notifier);
    if (at >= 0) this.#chain.splice(at, 1);
    return at >= 0;
  }

  get all(): readonly NvmemNotifier[] {
    return [...this.#chain];
  }
}

/** NOTIFY_STOP and NOTIFY_BAD end the round. */
export function endsRound(answer: unknown): boolean {
  return answer === 'stop' || answer === 'bad';
}
