import { NvmemError } from '../base/errors.js';

/** @throws NvmemError EINVAL */
export function refuse(uri: string, what: string, hint: string): never {
  throw new NvmemError('EINVAL', `the URI ${JSON.stringify(uri)} is wrong: ${what}`, {
    syscall: 'open',
    hint,
  });
}
