/** What keeps the event loop, and with it the program or the worker, going: as an open socket does. */
import { clearInterval, setInterval } from './timers.js';

/** The longest that Node's timers know. */
const FOR_LONG_MS = 2 ** 31 - 1;

interface State {
  holding: boolean;
}

let holders = 0;
let timer: NodeJS.Timeout | undefined;

function change(state: State, holding: boolean): void {
  if (state.holding === holding) return;
  state.holding = holding;
  holders += holding ? 1 : -1;
  if (holders > 0) {
    timer ??= setInterval(() => undefined, FOR_LONG_MS);
  } else {
    clearInterval(timer);
    timer = undefined;
  }
}

/** A handle that nobody has any more waits for nothing. */
const forgotten = new FinalizationRegistry<State>((state) => {
  change(state, false);
});

export class LoopHold {
  readonly #state: State = { holding: false };
  #needed = false;
  #allowed = true;

  constructor() {
    forgotten.register(this, this.#state);
  }

  /** Whether there is something to wait for. */
  set needed(needed: boolean) {
    this.#needed = needed;
    this.#update();
  }

  /** Whether the program waits for it: ref() and unref(). */
  set allowed(allowed: boolean) {
    this.#allowed = allowed;
    this.#update();
  }

  #update(): void {
    change(this.#state, this.#needed && this.#allowed);
  }
}
