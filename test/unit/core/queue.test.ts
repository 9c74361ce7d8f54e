/** What waits for one device: its number and its bytes are limited, and what is more is told at once. */
import { Registry, type NvmemDevice } from '../../../lib/index.js';

const MOST = 32_768;
const MIB = 1024 * 1024;
const CROWDED = { code: 'ENOBUFS', errno: -105, hint: 'Await what was started before starting more.' };

/** A device whose provider answers when it is let. */
async function stalled(): Promise<{ device: NvmemDevice; go: () => void }> {
  let go = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const provider = {
    size: 256 * MIB,
    read: async (_offset: number, length: number) => {
      await gate;
      return new Uint8Array(length);
    },
    write: () => gate,
  };
  return { device: await new Registry().register({ provider, name: 'slow' }), go };
}

test('so many operations, and no more; and again when they have ended', async () => {
  const { device, go } = await stalled();
  const reads = Array.from({ length: MOST }, () => device.read(0, 1));
  await expect(device.read(0, 1)).rejects.toMatchObject({ ...CROWDED, bytesTransferred: undefined });
  await expect(device.write(7, Buffer.alloc(3))).rejects.toMatchObject({
    ...CROWDED,
    untouched: [{ offset: 7, length: 3 }],
  });
  await expect(device.cellRead({ offset: 0, bytes: 1 })).rejects.toMatchObject(CROWDED);
  go();
  expect((await Promise.all(reads)).length).toBe(MOST);
  expect(await device.read(0, 2)).toEqual(Buffer.alloc(2));
}, 20_000);

test('so many bytes of writes; one alone may be longer, and reads do not count', async () => {
  const { device, go } = await stalled();
  const options = { verify: false };
  const long = device.write(0, Buffer.alloc(65 * MIB), options);
  const refused = device.write(9, Buffer.alloc(1), options);
  await expect(refused).rejects.toMatchObject({ ...CROWDED, untouched: [{ offset: 9, length: 1 }] });
  const read = device.read(0, 100 * MIB);
  go();
  await Promise.all([long, read]);
  const two = [
    device.write(0, Buffer.alloc(32 * MIB), options),
    device.write(0, Buffer.alloc(32 * MIB), options),
  ];
  await expect(device.write(0, Buffer.alloc(1), options)).rejects.toMatchObject(CROWDED);
  expect((await Promise.all(two)).map(({ bytesWritten }) => bytesWritten)).toEqual([32 * MIB, 32 * MIB]);
  await device.write(0, Buffer.alloc(1), options);
}, 20_000);
