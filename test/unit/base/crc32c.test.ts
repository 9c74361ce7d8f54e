import { crc32c } from '../../../lib/base/crc32c.js';

test.each([
  // The catalogue's check value, and the examples of RFC 3720 (iSCSI), B.4.
  ['123456789', Buffer.from('123456789'), 0xe3069283],
  ['32 bytes of 0', Buffer.alloc(32), 0x8a9136aa],
  ['32 bytes of 0xff', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['0 to 31', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ['31 to 0', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  ['nothing', Buffer.alloc(0), 0],
])('of %s', (_what, data, crc) => {
  expect(crc32c(data)).toBe(crc);
});

test('goes on where it stopped', () => {
  const data = Buffer.from('123456789');
  for (let cut = 0; cut <= data.length; cut++) {
    expect(crc32c(data.subarray(cut), crc32c(data.subarray(0, cut)))).toBe(0xe3069283);
  }
});
