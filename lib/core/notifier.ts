/** The kernel's notifier chain, for those who want its events in its order; see NvmemEvents for the documented one. */
import { NvmemError } from '../base/errors.js';
import { checkInteger, checkNeededMethod, checkObject } from '../base/validate.js';

/** NVMEM_ADD, NVMEM_REMOVE, NVMEM_CELL_ADD, NVMEM_CELL_REMOVE. */
export type NvmemNotification = 'ADD' | 'REMOVE' | 'CELL_ADD' | 'CELL_REMOVE';

export interface NvmemNotifier {
  /** The higher, the earlier; equal ones in the order in which they came. Default 0. */
  readonly priority?: number | undefined;
  /** `name`: of the device, or of the cell. Returning 'stop' or 'bad' keeps it from those that come after. */
  notify(event: NvmemNotification, name: string, device: string): unknown;
}

/** A notifier as it was when it was registered. */
interface Link {
  readonly notifier: NvmemNotifier;
  readonly priority: number;
  readonly notify: (...event: Parameters<NvmemNotifier['notify']>) => unknown;
}

export class NotifierChain {
  readonly #chain: Link[] = [];

  /** @throws NvmemError EEXIST: it is there already (notifier_chain_register()). */
  add(notifier: NvmemNotifier): void {
    checkObject('notifier', notifier);
    const notify = checkNeededMethod('notifier', notifier, 'notify');
    const priority = checkInteger('notifier.priority', notifier.priority ?? 0, -0x80000000, 0x7fffffff);
    if (this.#chain.some((link) => link.notifier === notifier)) {
      throw new NvmemError('EEXIST', 'that notifier is registered already', {
        syscall: 'registerNotifier',
        hint: 'Register it once; another object may do the same.',
      });
    }
    const at = this.#chain.findIndex((other) => other.priority < priority);
    this.#chain.splice(at < 0 ? this.#chain.length : at, 0, {
      notifier,
      priority,
      notify,
    });
  }

  /** Whether it was there. */
  remove(notifier: NvmemNotifier): boolean {
    checkObject('notifier', notifier);
    const at = this.#chain.findIndex((link) => link.notifier === notifier);
    if (at >= 0) this.#chain.splice(at, 1);
    return at >= 0;
  }

  get all(): readonly Link[] {
    return [...this.#chain];
  }
}

/** NOTIFY_STOP and NOTIFY_BAD end the round. */
export function endsRound(answer: unknown): boolean {
  return answer === 'stop' || answer === 'bad';
}
