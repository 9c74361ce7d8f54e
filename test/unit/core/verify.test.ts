import { memoryProvider, Registry } from '../../../lib/index.js';

test('verify() says where a device differs, in device offsets', async () => {
  await using device = await new Registry().register({ provider: memoryProvider(Buffer.from('0123456789')) });
  expect(await device.verify(Buffer.from('0123456789'))).toEqual({
    equal: true,
    mismatchOffset: undefined,
    mismatchCount: 0,
    differs: [],
  });
  expect(await device.verify(Buffer.from('3xx6'), { offset: 3 })).toEqual({
    equal: false,
    mismatchOffset: 4,
    mismatchCount: 2,
    differs: [{ offset: 4, length: 2 }],
  });
  expect((await device.verify(Buffer.from('x1x3'))).differs).toEqual([
    { offset: 0, length: 1 },
    { offset: 2, length: 1 },
  ]);
  expect(await device.verify(new Uint8Array(0), { offset: 10 })).toMatchObject({ equal: true });
  await expect(device.verify(Buffer.alloc(4), { offset: 7 })).rejects.toMatchObject({ code: 'EINVAL' });
});

test('read() without arguments is all of it, and from an offset on the rest', async () => {
  await using device = await new Registry().register({ provider: memoryProvider(Buffer.from('0123456789')) });
  expect(String(await device.read())).toBe('0123456789');
  expect(String(await device.read(7))).toBe('789');
  await expect(device.read(11)).rejects.toMatchObject({ code: 'EINVAL' });
});
