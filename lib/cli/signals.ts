/** Signals of this process: those that end a command, and those that stop it for a while (Ctrl-Z). */
import { NvmemError } from '../base/errors.js';

/**
 * Whose default action ends a process, as far as a program may do something about it. Left out: SIGKILL; SIGPIPE and
 * SIGXFSZ, which Node ignores, so that the write that met them fails instead; SIGSEGV, SIGBUS, SIGFPE and SIGILL, after
 * which no program can go on; the real-time signals, which have no names in Node.
 */
export const ENDING_SIGNALS = [
  ...([
    'SIGHUP',
    'SIGINT',
    'SIGQUIT',
    'SIGTRAP',
    'SIGABRT',
    'SIGUSR1',
    'SIGUSR2',
    'SIGALRM',
    'SIGTERM',
  ] as const),
  ...(['SIGSTKFLT', 'SIGXCPU', 'SIGVTALRM', 'SIGPROF', 'SIGIO', 'SIGPWR', 'SIGSYS'] as const),
] as const satisfies readonly NodeJS.Signals[];

/** Listens to all of `names`. @returns what ends that */
export function onSignals(
  names: readonly NodeJS.Signals[],
  listener: (name: NodeJS.Signals) => void,
): () => void {
  const offs = names.map((name) => {
    const one = (): void => {
      listener(name);
    };
    process.on(name, one);
    return () => process.off(name, one);
  });
  return () => {
    for (const off of offs) off();
  };
}

/** Why an operation is interrupted that will go on. */
export class StopRequested extends Error {
  override readonly name = 'StopRequested';
}

/**
 * Where a stop of the whole process waits for a safe point. A process that is stopped in the middle of a write leaves the
 * write-protect line low for as long as it sleeps, so what runs here is interrupted first, ends with the line up, and goes on
 * when the process does. Whatever else the process does is stopped at once.
 */
export class StopGate {
  readonly #stop: () => void;
  readonly #listen: (on: boolean) => void;
  #running: AbortController | undefined;
  #isWanted = false;

  /**
   * @param stop stops the process, and returns when it goes on
   * @param listen called with true when an operation begins, with false when it has ended
   */
  constructor(stop: () => void, listen: (on: boolean) => void = () => undefined) {
    this.#stop = stop;
    this.#listen = listen;
  }

  /** SIGTSTP came. */
  request(): void {
    if (this.#running === undefined) {
      this.#stop();
      return;
    }
    this.#isWanted = true;
    this.#running.abort(new StopRequested('the process is to be stopped'));
  }

  /** SIGCONT came before the safe point was reached. */
  withdraw(): void {
    this.#isWanted = false;
  }

  /**
   * Runs `attempt`, and again each time it was interrupted by a stop, after the process has gone on.
   * @param attempt `interrupted`: how the attempt before ended; undefined at first. Its signal is `signal`, or a stop.
   */
  async run<T>(
    signal: AbortSignal,
    attempt: (signal: AbortSignal, interrupted: NvmemError | undefined) => Promise<T>,
  ): Promise<T> {
    let interrupted: NvmemError | undefined;
    for (;;) {
      const running = new AbortController();
      this.#running = running;
      this.#listen(true);
      try {
        return await attempt(AbortSignal.any([signal, running.signal]), interrupted);
      } catch (error) {
        const isStop = error instanceof NvmemError && error.cause instanceof StopRequested;
        if (!isStop || signal.aborted) throw error;
        interrupted = error;
      } finally {
        this.#running = undefined;
        this.#listen(false);
        const isWanted = this.#isWanted && !signal.aborted;
        this.#isWanted = false;
        if (isWanted) this.#stop();
      }
    }
  }
}

/** Stops are those of this process. Ctrl-Z (SIGTSTP) counts always; to be sent into the background only during an operation. */
export function stopGateOfProcess(): StopGate {
  let off: (() => void) | undefined;
  const gate: StopGate = new StopGate(
    () => {
      process.kill(process.pid, 'SIGSTOP');
    },
    (on) => {
      off?.();
      // Outside an operation their own default is right: whoever uses the terminal from the background is stopped before it does.
      off = on
        ? onSignals(['SIGTTIN', 'SIGTTOU'], () => {
            gate.request();
          })
        : undefined;
    },
  );
  onSignals(['SIGTSTP'], () => {
    gate.request();
  });
  onSignals(['SIGCONT'], () => {
    gate.withdraw();
  });
  return gate;
}
