import { isMainThread } from 'node:worker_threads';

import type * as I2cBusPackage from 'i2c-bus';

import { NvmemError } from '../base/errors.js';

type I2cBus = typeof I2cBusPackage;

/**
 * The package i2c-bus, loaded at its first use: most programs never come to it.
 *
 * @throws NvmemError EOPNOTSUPP: in a worker, or it does not load. Its addon registers itself with NODE_MODULE (src/i2c.cc),
 * which Node lets one thread of a process do.
 */
export function loadI2cBus(what: string): I2cBus {
  if (!isMainThread) {
    throw new NvmemError(
      'EOPNOTSUPP',
      `${what} needs the package i2c-bus, whose addon is not context-aware and loads in the main thread only`,
      { syscall: 'open', hint: 'Do it in the main thread; i2c:// devices open in every thread.' },
    );
  }
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- lazily, and it is CommonJS
    return require('i2c-bus') as I2cBus;
  } catch (cause) {
    throw new NvmemError('EOPNOTSUPP', `${what} needs the package i2c-bus, which does not load`, {
      syscall: 'open',
      cause,
      hint: 'Install it again: npm rebuild i2c-bus.',
    });
  }
}
