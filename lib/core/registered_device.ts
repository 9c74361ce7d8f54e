import { coreOf, NvmemDevice } from './device.js';

/**
 * A device in the hands of who registered it (devm_nvmem_register()): at the end of its block it is unregistered, with
 * `await using` once no call into the provider runs any more, with `using` without waiting for that.
 *
 * @example
 * await using device = await nvmem.register({ provider, name: 'board' });
 */
export class RegisteredDevice extends NvmemDevice {
  readonly #unregister: () => Promise<void>;

  /** @internal */
  constructor(device: NvmemDevice, unregister: () => Promise<void>) {
    super(coreOf(device));
    this.#unregister = unregister;
  }

  /** Nvmem.unregister(). Idempotent; never rejects. */
  unregister(): Promise<void> {
    return this.#unregister();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#unregister();
  }

  override [Symbol.dispose](): void {
    void this.#unregister();
  }
}
