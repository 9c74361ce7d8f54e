import { getSystemErrorMap } from 'node:util';

import {
  codeOf,
  entryOf,
  errnoOf,
  errorTable,
  NvmemError,
  type NvmemErrorCode,
} from '../../../lib/base/errors.js';
import { exitStatusOf } from '../../../lib/cli/exit_status.js';
import { describeFailure, CliError } from '../../../lib/cli/failure.js';
import { SignalReceived } from '../../../lib/cli/io.js';

const codes = Object.keys(errorTable) as NvmemErrorCode[];

test.each(codes)('%s is described in full', (code) => {
  const { errno, kind, says, when, hint } = errorTable[code];
  expect(errno).toBeGreaterThan(0);
  expect(kind).toMatch(/^[a-z]+$/);
  expect(new NvmemError(code, '').kind).toBe(kind);
  expect([1, 2, 3, 4, 5, 6, 130]).toContain(exitStatusOf(code));
  expect(says).toMatch(/^[a-z]/);
  expect(when).toMatch(/^[A-Z].*\.$/);
  expect(hint).toMatch(/^[A-Z].*\.$/);
});

test('the numbers are those of the operating system', () => {
  const system = new Map([...getSystemErrorMap()].map(([errno, [name]]) => [name, errno]));
  const unknown = codes.filter((code) => !system.has(code));
  for (const code of codes) {
    if (system.has(code)) expect([code, -errorTable[code].errno]).toEqual([code, system.get(code)]);
  }
  // libuv has no names for these.
  expect(unknown.sort()).toEqual([
    'ABORT_ERR',
    'EBADMSG',
    'EDEADLK',
    'EMEDIUMTYPE',
    'EOPNOTSUPP',
    'EPROBE_DEFER',
    'ESTALE',
  ]);
  expect(errorTable.ESTALE.errno).toBe(116);
  expect(errorTable.EBADMSG.errno).toBe(74);
  expect(errorTable.EREMOTEIO.errno).toBe(121);
  expect(errorTable.EPROBE_DEFER.errno).toBe(517);
  // libuv calls it ENOTSUP, as POSIX may: here it has one name, the kernel's.
  expect(codeOf(-95)).toBe('EOPNOTSUPP');
});

test('every status that native code documents has a row', () => {
  for (const errno of [1, 2, 5, 6, 11, 12, 16, 19, 22, 32, 71, 74, 95, 110, 111, 121, 125]) {
    expect(entryOf(codeOf(-errno))).toBeDefined();
  }
});

test('a number without a row gets the name of the operating system, or its number', () => {
  expect(codeOf(-7)).toBe('E2BIG');
  expect(codeOf(-9999)).toBe('E9999');
});

test.each([
  ['ENODEV', 3],
  ['ENOENT', 3],
  ['ENXIO', 3],
  ['ECONNREFUSED', 3],
  ['EACCES', 4],
  ['EPERM', 4],
  ['EBADMSG', 5],
  ['ETIMEDOUT', 6],
  ['EBUSY', 6],
  ['EAGAIN', 6],
  ['EINVAL', 2],
  ['EIO', 1],
  ['ABORT_ERR', 130],
])('the command line exits %s with %i', (code, status) => {
  expect(describeFailure(new NvmemError(code, 'x')).status).toBe(status);
});

test('an error says its code, number and hint', () => {
  const error = new NvmemError('ENODEV', 'gone', { device: 'd', bytesTransferred: 3 });
  expect(error).toMatchObject({
    name: 'NvmemError',
    message: 'ENODEV: gone',
    errno: -19,
    device: 'd',
    bytesTransferred: 3,
  });
  expect(error.hint).toBe(errorTable.ENODEV.hint);
  expect(error).toBeInstanceOf(Error);
});

test('an abort is named as Node names it, and a signal has its own exit status', () => {
  const error = new NvmemError('ABORT_ERR', 'x', { cause: new SignalReceived('SIGTERM') });
  expect(error.name).toBe('AbortError');
  expect(error.code).toBe('ABORT_ERR');
  expect(describeFailure(error).status).toBe(143);
});

test('what a provider throws keeps its code', () => {
  expect(errnoOf(Object.assign(new Error('x'), { code: 'EBUSY' }))).toBe(-16);
  expect(errnoOf(Object.assign(new Error('x'), { code: 'EBADF' }))).toBe(-9);
  expect(errnoOf({ errno: -5 })).toBe(-5);
  expect(errnoOf({ errno: 5 })).toBe(-5);
  expect(errnoOf(new Error('x'))).toBe(-5);
  expect(errnoOf(undefined)).toBe(-5);
});

test('failures of the command line carry what programs need', () => {
  const error = new NvmemError('EBADMSG', 'x', {
    committed: [{ offset: 0, length: 1 }],
    protectError: new NvmemError('EIO', 'y'),
  });
  expect(describeFailure(error).json).toEqual({
    code: 'EBADMSG',
    message: 'EBADMSG: x',
    hint: errorTable.EBADMSG.hint,
    errno: -74,
    committed: [{ offset: 0, length: 1 }],
    protectError: { code: 'EIO', message: 'EIO: y' },
  });
  expect(describeFailure(new CliError('ENOENT', 'no file', 'Check.', 1))).toMatchObject({
    status: 1,
    hint: 'Check.',
  });
  expect(describeFailure(Object.assign(new RangeError('r'), { code: 'EINVAL' })).status).toBe(2);
  expect(describeFailure(new Error('boom'))).toMatchObject({ status: 1, json: { code: 'ERR_INTERNAL' } });
});
