/**
 * Values of other people's code: what a provider, a hook, a line, a layout or an i2c-bus object may answer or throw. Whatever it
 * is, the operation ends once, nothing is called twice, nothing ends the process, and unregister() comes to its end.
 */
import { runInNewContext } from 'node:vm';

import { Registry, NvmemError, type NvmemDevice, type NvmemProvider } from '../../../lib/index.js';
import { native } from '../../../lib/native/index.js';

/** After each test: nothing was thrown where nobody catches it, and nothing is held any more. */
export function watchProcess(): void {
  const loose: unknown[] = [];
  const note = (error: unknown): void => {
    loose.push(error);
  };
  // Another file of the same process may have left a provider that never answers.
  let heldBefore: number;
  beforeAll(() => {
    process.on('unhandledRejection', note);
    process.on('uncaughtException', note);
    heldBefore = native().counts().holds;
  });
  afterEach(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    expect(loose.splice(0)).toEqual([]);
    const { requests, holds, turns } = native().counts();
    expect([requests, holds - heldBefore, turns]).toEqual([0, 0, 0]);
  });
  afterAll(() => {
    process.off('unhandledRejection', note);
    process.off('uncaughtException', note);
  });
}

export async function withDevice<T>(
  provider: NvmemProvider,
  body: (device: NvmemDevice, registry: Registry) => Promise<T>,
  more: object = {},
): Promise<T> {
  const registry = new Registry();
  const device = await registry.register({ provider, name: 'dev', id: 'none', size: 16, ...more });
  try {
    return await body(device, registry);
  } finally {
    await device.close();
  }
}

export async function failure(call: Promise<unknown>): Promise<NvmemError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(NvmemError);
  return error as NvmemError;
}

export const bytes = (): Buffer => Buffer.from([1, 2, 3, 4]);

/** Its `then` counts how often it is read and called. */
export function lazy(
  value: unknown,
  counts: { read: number; called: number },
  how: 'now' | 'later' = 'later',
): object {
  return {
    get then() {
      counts.read++;
      return (resolve: (value: unknown) => void) => {
        counts.called++;
        if (how === 'now') resolve(value);
        else setImmediate(resolve, value);
      };
    },
  };
}

export class OwnSubarray extends Uint8Array {
  override subarray(): never {
    throw new Error('subarray of the provider');
  }
  override get length(): number {
    return 4096;
  }
  override get buffer(): never {
    throw new Error('buffer of the provider');
  }
  static get [Symbol.species](): never {
    throw new Error('species of the provider');
  }
}

export function transferred(): Uint8Array {
  const array = Uint8Array.from([1, 2, 3, 4]);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

export function hostile(names: string[]): Error {
  const error = new Error('plain');
  for (const name of names) {
    Object.defineProperty(error, name, {
      get: () => {
        throw new Error(`${name} of the provider`);
      },
    });
  }
  return error;
}

export const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

export const otherRealm = (code: string): never => runInNewContext(code) as never;

export function script(): NvmemProvider {
  const memory = Buffer.alloc(16);
  return {
    size: 16,
    read: (offset, length) => memory.subarray(offset, offset + length),
    write: (offset, data) => {
      memory.set(data, offset);
    },
  };
}

/** A promise that rejects with whatever it is. */
export const rejecting = (reason: unknown) => (): Promise<never> =>
  new Promise((_resolve, reject) => {
    (reject as (reason: unknown) => void)(reason);
  });
