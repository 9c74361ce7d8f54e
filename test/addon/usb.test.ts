import { native } from '../../lib/native/index.js';

describe('openUsb', () => {
  const open = (bridge: string): Promise<unknown> =>
    native().openUsb({ bridge, clockHz: 100_000, openTimeoutMs: 1000 });

  test('a place where nothing is plugged in is ENOENT, and said', async () => {
    // Buses are numbered from 1 up; nobody has a thousand.
    expect(await open('999-1.4')).toEqual({ status: -2, reason: 'nothing is plugged in at 999-1.4' });
    expect(native().counts().buses).toBe(0);
  });

  test.each(['', '1-', '../1-1', '1-1:1.0', 'usb1', '1-1\0'])('%j is no place: EINVAL', async (bridge) => {
    expect(await open(bridge)).toMatchObject({ status: -22 });
  });
});
