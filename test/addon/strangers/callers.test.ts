/** What callers may give, and anything at all. See helpers.ts. */
import fc from 'fast-check';

import { memoryProvider, Registry, NvmemError, NvmemKernelApi } from '../../../lib/index.js';
import { filesOf } from '../../../lib/kernel/index.js';
import {
  withDevice,
  failure,
  bytes,
  OwnSubarray,
  transferred,
  otherRealm,
  script,
  watchProcess,
} from './helpers.js';

watchProcess();

describe('what callers give', () => {
  test.each<[string, () => Uint8Array]>([
    ['of another realm', () => otherRealm('Uint8Array.of(1, 2, 3, 4)')],
    ['of a subclass with its own length and buffer', () => OwnSubarray.from([1, 2, 3, 4])],
    ['with a length of its own', () => Object.defineProperty(bytes(), 'length', { value: 2 ** 20 })],
  ])('an array %s is written as it is', async (_what, make) => {
    const cells = [{ name: 'c', offset: 8, bytes: 4 }];
    for (const provider of [memoryProvider(16), script()]) {
      const registry = new Registry();
      const kernel = new NvmemKernelApi(registry);
      const device = await registry.register({ provider, cells });
      expect(await device.write(0, make())).toMatchObject({ bytesWritten: 4 });
      await device.cell('c').write(make());
      await filesOf(device).open('nvmem', { flags: 'r+' }).write(4, make());
      expect(await kernel.nvmemDeviceWrite(device, 12, make())).toBe(4);
      expect(await device.read(0, 16)).toEqual(Buffer.concat([bytes(), bytes(), bytes(), bytes()]));
      expect(memoryProvider(make()).size).toBe(4);
      await device.close();
    }
  });

  test('an array whose memory was transferred is refused by name', async () => {
    const registry = new Registry();
    const cells = [{ name: 'c', offset: 0, bytes: 4 }];
    const device = await registry.register({ provider: memoryProvider(16), cells });
    await expect(device.write(0, transferred())).rejects.toThrow(
      /^data must be .* whose memory was transferred/,
    );
    await expect(device.cell('c').write(transferred())).rejects.toThrow(/^data must be/);
    expect(() => memoryProvider(transferred())).toThrow(/^image must be/);
    await device.close();
  });

  test('a signal of another making does', async () => {
    const listeners = new Set<() => void>();
    const signal = {
      aborted: false,
      reason: 'mine',
      addEventListener: (_type: string, listener: () => void) => void listeners.add(listener),
      removeEventListener: () => {
        throw new Error('not today');
      },
    };
    let end: (data: Uint8Array) => void = () => undefined;
    const read = (): Promise<Uint8Array> => new Promise((resolve) => (end = resolve));
    const registry = new Registry();
    const device = await registry.register({ provider: { read, write: () => undefined }, size: 4 });
    const call = failure(device.read(0, 4, { signal: signal as never }));
    signal.aborted = true;
    for (const listener of listeners) listener();
    expect(await call).toMatchObject({ code: 'ABORT_ERR', cause: 'mine' });
    await device.write(0, bytes(), { signal: { ...signal, aborted: false } as never, verify: false });
    end(bytes());
    await device.close();
  });
});

const anything = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withObjectString: true,
    withTypedArray: true,
  }),
  fc.constant(undefined),
);

test('anything as an answer or an error ends the operation once, with an NvmemError or the data', async () => {
  await fc.assert(
    fc.asyncProperty(anything, fc.boolean(), fc.boolean(), async (value, throws, isAsync) => {
      const answer = (): unknown => {
        if (throws) throw value;
        return value;
      };
      const call = (isAsync ? () => Promise.resolve().then(answer) : answer) as never;
      await withDevice({ read: call, write: call }, async (device) => {
        const ended = await Promise.allSettled([device.read(0, 4), device.write(0, bytes())]);
        for (const one of ended) if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(NvmemError);
      });
    }),
    { numRuns: 200 },
  );
});
