/** The GPIO pins of a bridge, for looking at: what a write-protect pin is wired to, and where it is. */
import { codeOf, NvmemError, saysOf } from '../base/errors.js';
import { checkInteger, checkOperationOptions, type OperationOptions } from '../base/validate.js';
import type { NativeBus } from '../native/index.js';

/** How long, and until when; neither changes a pin. */
export type GpioOptions = Omit<OperationOptions, 'onProgress'>;

/** A bit for each pin: that of line 0 is the lowest. */
interface Pins {
  readonly levels: number;
  readonly outputs: number;
  readonly special: number;
}

/** Pins of a CP2112 (AN495, 5.2 and 5.4). */
const LINES = 8;

/**
 * The pins of a bridge. They are looked at and never changed: whoever writes through `wp=` drives his line alone.
 *
 * @example
 * const { gpio } = await openBus('cp2112://');
 * if ((await gpio.direction(2)) === 'in') console.log('nobody drives WP');
 */
export class BusGpio {
  readonly #bus: NativeBus;
  readonly #uri: string;
  readonly #check: () => void;

  /** @internal */
  constructor(bus: NativeBus, uri: string, check: () => void) {
    this.#bus = bus;
    this.#uri = uri;
    this.#check = check;
  }

  /**
   * The level of a pin, input or output: 1 is high.
   *
   * Rejects with NvmemError: EOPNOTSUPP (the bus is not a bridge's), EBUSY (the pin has a special function, so that its level
   * says nothing), ENODEV, ETIMEDOUT, EIO, ABORT_ERR; TypeError and RangeError (`line` is 0 to 7).
   */
  async read(line: number, options: GpioOptions = {}): Promise<0 | 1> {
    const pins = await this.#look(line, options);
    if (isSet(pins.special, line)) {
      throw new NvmemError(
        'EBUSY',
        `GPIO ${String(line)} of ${this.#uri} has a special function of the bridge`,
        {
          syscall: 'gpio',
          device: this.#uri,
          hint: 'GPIO 0 and 1 can be the transmit and receive lights, GPIO 7 the clock output: use another line.',
        },
      );
    }
    return isSet(pins.levels, line) ? 1 : 0;
  }

  /**
   * `out` is driven by the bridge, `special` is in the hands of a function of it (lights, clock output).
   *
   * Rejects as read() does, without EBUSY.
   */
  async direction(line: number, options: GpioOptions = {}): Promise<'in' | 'out' | 'special'> {
    const pins = await this.#look(line, options);
    if (isSet(pins.special, line)) return 'special';
    return isSet(pins.outputs, line) ? 'out' : 'in';
  }

  async #look(line: number, options: GpioOptions): Promise<Pins> {
    checkInteger('line', line, 0, LINES - 1);
    checkOperationOptions(options, ['signal', 'timeoutMs']);
    this.#check();
    const slot = this.#bus.pins();
    try {
      const { status, data, reason } = await slot.read(0, 3, options);
      const [levels = 0, outputs = 0, special = 0] = data;
      if (status === 0) return { levels, outputs, special };
      const code = codeOf(status);
      throw new NvmemError(
        code,
        `cannot look at GPIO ${String(line)} of ${this.#uri}: ${reason === '' ? saysOf(code) : reason}`,
        {
          errno: status,
          syscall: 'gpio',
          device: this.#uri,
          cause: options.signal?.aborted ? options.signal.reason : undefined,
        },
      );
    } finally {
      await slot.unregister();
    }
  }
}

function isSet(bits: number, line: number): boolean {
  return ((bits >> line) & 1) === 1;
}
