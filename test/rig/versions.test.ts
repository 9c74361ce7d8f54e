import { pattern, smbusReport, withDevice } from './helpers';

const IMAGE = pattern(32768);
const PARTS = { eeproms: [{ address: 0x52, chip: '24c256', image: IMAGE }] };

describe('silicon versions', () => {
  test.each([1, 2, 3] as const)('version %i reads right with the addressed read and force send', (version) =>
    withDevice({ ...PARTS, version }, async (client) => {
      expect(await client.readAt(0x52, [0x40, 0x00], 512)).toEqual(
        Buffer.from(IMAGE.subarray(0x4000, 0x4200)),
      );
    }),
  );

  test.each([
    [1, [0x40, 0x07]],
    [2, [0x40, 0x07]],
    [3, undefined],
  ] as const)(
    'E101 on version %i: auto send answers an addressed read with the address first',
    (version, wrong) =>
      withDevice({ ...PARTS, version }, async (client) => {
        await client.setFeature(...smbusReport({ autoSend: true }));
        await client.out(0x11, 0xa4, 0, 10, 2, 0x40, 0x07);
        const data: number[] = [];
        while (data.length < 10) {
          const report = await client.report();
          data.push(...report.subarray(3, 3 + report.readUInt8(2)));
        }
        const right = [...IMAGE.subarray(0x4007, 0x4011)];
        expect(data).toEqual(wrong ? [...wrong, ...right.slice(2)] : right);
      }),
  );

  test('a plain read with auto send is right on every version', async () => {
    for (const version of [1, 2, 3] as const) {
      await withDevice({ ...PARTS, version }, async (client) => {
        await client.out(0x14, 0xa4, 2, 0x10, 0x00);
        await client.finish();
        await client.setFeature(...smbusReport({ autoSend: true }));
        await client.out(0x10, 0xa4, 0, 5);
        expect([...(await client.report()).subarray(2, 8)]).toEqual([5, ...IMAGE.subarray(0x1000, 0x1005)]);
      });
    }
  });

  test('a read no longer than the address shows nothing but address on version 2', () =>
    withDevice({ ...PARTS, version: 2 }, async (client) => {
      await client.setFeature(...smbusReport({ autoSend: true }));
      await client.out(0x11, 0xa4, 0, 1, 2, 0x40, 0x07);
      expect([...(await client.report()).subarray(2, 4)]).toEqual([1, 0x40]);
    }));
});
