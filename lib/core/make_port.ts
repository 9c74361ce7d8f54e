/** The port of a provider: a slot of the addon, or a stand-in for one that is written in JavaScript. */
import { codeOf, NvmemError, saysOf } from '../base/errors.js';
import { native, type NativeSlot } from '../native/index.js';
import type { CheckedConfig, NvmemConfig } from './config.js';
import { JavaScriptPort } from './javascript_port.js';
import { claimFor, NativeProvider } from './provider.js';
import { type ProviderPort, SlotPort, takeSlot } from './provider_port.js';

/** `given`: the provider as it was given, which is who has claims. */
export function makePort(
  name: string,
  { provider, wp, ignoreWp }: CheckedConfig,
  given: NvmemConfig['provider'],
): ProviderPort {
  if (!(provider instanceof NativeProvider)) {
    const claimed = claimFor(given, name);
    const slot = slotFor(name, native().javascriptProvider());
    return new JavaScriptPort(name, provider, slot, ignoreWp ? undefined : wp, claimed);
  }
  const taken = takeSlot(provider);
  if (taken) return new SlotPort(taken.slot, taken.info);
  throw new NvmemError('EBUSY', 'this provider is registered already; make another', {
    syscall: 'register',
    device: name,
    hint: 'A provider of the addon serves one registration: call memoryProvider() or open() again.',
  });
}

/** @throws NvmemError: the addon has none to give. */
export function slotFor(what: string, slot: NativeSlot | number): NativeSlot {
  if (typeof slot !== 'number') return slot;
  const code = codeOf(slot);
  throw new NvmemError(code, `${what} cannot be had: ${saysOf(code)}`, { errno: slot, syscall: 'register' });
}
