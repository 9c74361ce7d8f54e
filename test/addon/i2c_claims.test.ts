/** Devices over one i2c-bus object, through the registry and the addon: whose addresses are whose, and whose turn it is. */
import { fromI2cBus, nvmem, type PromisifiedI2cBus } from '../../lib/index.js';

/** 4 KiB at 0x50, two address bytes, pages of 32; every transfer takes a turn of the event loop. */
class Part implements PromisifiedI2cBus {
  readonly memory = Buffer.alloc(4096, 0xff);
  #latch = 0;

  async i2cWrite(_address: number, length: number, buffer: Buffer): Promise<{ bytesWritten: number }> {
    await new Promise((resolve) => setImmediate(resolve));
    if (length >= 2) {
      this.#latch = buffer.readUInt16BE(0);
      buffer.copy(this.memory, this.#latch, 2, length);
    }
    return { bytesWritten: length };
  }

  async i2cRead(_address: number, length: number, buffer: Buffer): Promise<{ bytesRead: number }> {
    await new Promise((resolve) => setImmediate(resolve));
    this.memory.copy(buffer, 0, this.#latch, this.#latch + length);
    return { bytesRead: length };
  }
}

test('another geometry at one of the addresses is EBUSY and names the device, until it is unregistered', async () => {
  const bus = new Part();
  const whole = await nvmem.register({
    name: 'board-i2c',
    provider: fromI2cBus(bus, { address: 0x50, chip: '24c16' }),
  });
  const before = nvmem.devices().length;
  for (const [address, chip] of [
    [0x50, '24c32'],
    [0x52, '24c02'],
    [0x54, '24c08'],
  ] as const) {
    await expect(
      nvmem.register({ name: 'other-i2c', provider: fromI2cBus(bus, { address, chip }) }),
    ).rejects.toMatchObject({ code: 'EBUSY', message: expect.stringMatching(/board-i2c/) as string });
  }
  expect(nvmem.devices()).toHaveLength(before);
  // On another object it is another bus.
  const elsewhere = await nvmem.register({
    name: 'other-i2c',
    provider: fromI2cBus(new Part(), { address: 0x52, chip: '24c02' }),
  });
  await nvmem.unregister(elsewhere);
  await nvmem.unregister(whole);
  const small = await nvmem.register({
    name: 'other-i2c',
    provider: fromI2cBus(bus, { address: 0x52, chip: '24c02' }),
  });
  await nvmem.unregister(small);
});

test('the same part twice: writers take turns, and what is written last is there as a whole', async () => {
  const bus = new Part();
  const open = (name: string): ReturnType<typeof nvmem.register> =>
    nvmem.register({ name, provider: fromI2cBus(bus, { address: 0x50, chip: '24c32' }) });
  const [one, two] = await Promise.all([open('one-i2c'), open('two-i2c')]);
  const images = Array.from({ length: 6 }, (_, i) => Buffer.alloc(300, i + 1));
  await Promise.all(images.map((image, i) => (i % 2 === 0 ? one : two).write(10, image)));
  expect(bus.memory.subarray(10, 310).equals(Buffer.alloc(300, 6))).toBe(true);
  // Bits of one byte, set by both.
  await Promise.all(
    [0, 1, 2, 3, 4, 5, 6, 7].map((bitOffset) =>
      (bitOffset % 2 === 0 ? one : two).cellWrite(
        { offset: 10, bytes: 1, bitOffset, nbits: 1 },
        Buffer.of(bitOffset & 1),
      ),
    ),
  );
  expect(bus.memory[10]).toBe(0b10101010);
  // Who gives up lets the other on.
  const gone = new AbortController();
  const first = one.write(0, Buffer.alloc(200, 7));
  const second = two.write(0, Buffer.alloc(200, 8), { signal: gone.signal });
  const third = one.write(0, Buffer.alloc(200, 9));
  gone.abort();
  await expect(second).rejects.toMatchObject({ code: 'ABORT_ERR' });
  await Promise.all([first, third]);
  expect(bus.memory.subarray(0, 200).equals(Buffer.alloc(200, 9))).toBe(true);
  await Promise.all([nvmem.unregister(one), nvmem.unregister(two)]);
});
