/** Holds the event loop, as an open socket does, while somebody counts on it. */

const { setInterval, clearInterval } = globalThis;
const NEVER_MS = 2 ** 31 - 1;
let holders = 0;
let timer: NodeJS.Timeout | undefined;

export class LoopHold {
  #holds = false;

  set(holds: boolean): void {
    if (holds === this.#holds) return;
    this.#holds = holds;
    holders += holds ? 1 : -1;
    if (holders > 0) timer ??= setInterval(() => undefined, NEVER_MS);
    else {
      clearInterval(timer);
      timer = undefined;
    }
  }
}
