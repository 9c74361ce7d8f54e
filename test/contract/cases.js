/**
 * What every device promises, whatever carries its bytes: one suite, driven by jest on the host (contract.test.ts) and inside
 * a real kernel (test/kernel/guest/contract.mjs). It imports nothing of the library: a subject brings the device.
 *
 * A subject is
 *   name      of the transport
 *   can       what it can do: a set of CAPABILITIES; what a case needs beyond them is counted, by name, as not possible
 *   size      bytes
 *   open()    a device whose content is `seed()`'s; options as open()'s
 *   content() what is stored, seen from the other side
 *   arm(text) a fault of the bench ('unplug:host=100'); plug() undoes an unplug, also on the host's side
 *   uriOf(address) of a part on the same bus
 */
const assert = require('node:assert/strict');

const CAPABILITIES = {
  write: 'stores what is written',
  content: 'its memory can be seen from the other side',
  close: 'is closed by who opened it',
  wp: 'has a write-protect line that the other side watches',
  unplug: 'can be unplugged at any byte, and plugged in again',
  bus: 'lies on a bus with other addresses',
  interrupt: 'an operation can be given up in its middle',
  slow: 'a read of it all takes longer than 5 ms',
};

/** mulberry32: a seed names a run. */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const upTo = (next, n) => Math.floor(next() * n);

function bytesOf(next, length) {
  return Buffer.from(Uint8Array.from({ length }, () => upTo(next, 256)));
}

function same(got, wanted, what) {
  if (Buffer.compare(got, wanted) === 0) return;
  const at = got.length === wanted.length ? got.findIndex((byte, i) => byte !== wanted[i]) : -1;
  assert.fail(
    `${what}: ${got.length} bytes for ${wanted.length}${at < 0 ? '' : `, first difference at ${at}`}`,
  );
}

/** The error that a promise must reject with. */
async function failure(promise, ...codes) {
  const outcome = await promise.then(
    () => undefined,
    (error) => error,
  );
  assert.ok(outcome !== undefined, `it succeeded, and ${codes.join(' or ')} was due`);
  if (!codes.includes(outcome.code)) throw outcome;
  assert.ok(outcome.errno < 0 && outcome.message !== '');
  return outcome;
}

const removed = (device) =>
  new Promise((resolve) => {
    device.once('removed', resolve);
  });

/** A stretch of the write cases, so that slow parts are not written from end to end. */
const WINDOW = 512;

const cases = [
  {
    name: 'the whole memory is read byte for byte',
    async run(subject, device) {
      assert.equal(device.size, subject.size);
      same(await device.read(0, device.size), await subject.content(), 'all of it');
    },
  },
  {
    name: 'any stretch is read, across pages and blocks, many at once',
    async run(subject, device, next) {
      const image = await subject.content();
      const stretches = Array.from({ length: 12 }, () => {
        const offset = upTo(next, subject.size);
        return { offset, length: 1 + upTo(next, Math.min(300, subject.size - offset)) };
      });
      await Promise.all(
        stretches.map(async ({ offset, length }) => {
          const got = await device.read(offset, length);
          same(got, image.subarray(offset, offset + length), `${length} bytes at ${offset}`);
        }),
      );
    },
  },
  {
    name: 'the bounds are those of the memory, and nothing is asked beyond them',
    async run(subject, device) {
      assert.equal((await device.read(subject.size, 0)).length, 0);
      assert.equal((await device.read(subject.size - 1, 1)).length, 1);
      for (const [offset, length] of [
        [subject.size, 1],
        [subject.size - 1, 2],
        [0, subject.size + 1],
      ]) {
        await failure(device.read(offset, length), 'EINVAL');
        if (subject.can.has('write')) await failure(device.write(offset, Buffer.alloc(length)), 'EINVAL');
      }
      await assert.rejects(device.read(-1, 1), RangeError);
      await assert.rejects(device.read(0, '1'), TypeError);
    },
  },
  {
    name: 'progress grows to the whole, and is never ahead of it',
    async run(subject, device) {
      const seen = [];
      const length = Math.min(subject.size, 4096);
      await device.read(0, length, { onProgress: (done, total) => seen.push([done, total]) });
      let last = 0;
      for (const [done, total] of seen) {
        assert.ok(done >= last && done <= length && total === length, `${done} of ${total} after ${last}`);
        last = done;
      }
    },
  },
  {
    name: 'what is written is stored where it belongs, and nothing beside it',
    needs: ['write', 'content'],
    async run(subject, device, next) {
      const model = Buffer.from(await subject.content());
      const base = upTo(next, Math.max(1, subject.size - WINDOW));
      for (let i = 0; i < 6; i++) {
        const offset = base + upTo(next, Math.min(WINDOW, subject.size) - 1);
        const data = bytesOf(next, 1 + upTo(next, Math.min(90, subject.size - offset)));
        const { bytesWritten } = await device.write(offset, data);
        assert.equal(bytesWritten, data.length);
        data.copy(model, offset);
      }
      same(await subject.content(), model, 'the memory');
      const length = Math.min(WINDOW + 90, subject.size - base);
      same(await device.read(base, length), model.subarray(base, base + length), 'read back');
    },
  },
  {
    name: 'writers take turns: two that overlap leave one of them whole',
    needs: ['write', 'content'],
    async run(subject, device, next) {
      const length = Math.min(100, subject.size);
      const offset = upTo(next, subject.size - length + 1);
      const [a, b] = [Buffer.alloc(length, 0xa5), Buffer.alloc(length, 0x5a)];
      await Promise.all([device.write(offset, a), device.write(offset, b), device.read(offset, length)]);
      const got = (await subject.content()).subarray(offset, offset + length);
      assert.ok(got.equals(a) || got.equals(b), 'the memory holds a mixture of two writes');
    },
  },
  {
    name: 'a cell of bits changes no bit beside it',
    needs: ['write', 'content'],
    async run(subject, device, next) {
      const offset = upTo(next, subject.size - 3);
      const before = Buffer.from((await subject.content()).subarray(offset, offset + 3));
      const cell = { offset, bytes: 2, bitOffset: 5, nbits: 9 };
      const value = Buffer.from([0xc3, 0x01]);
      await device.cellWrite(cell, value);
      same(await device.cellRead(cell), value, 'the cell');
      const now = (await subject.content()).readUIntLE(offset, 3);
      const mask = 0x1ff << 5;
      assert.equal(now & ~mask & 0xffffff, before.readUIntLE(0, 3) & ~mask & 0xffffff);
      await device.write(offset, before);
    },
  },
  {
    name: 'an aborted operation says so, and the device goes on',
    async run(subject, device, next) {
      const controller = new AbortController();
      const reading = failure(device.read(0, subject.size, { signal: controller.signal }), 'ABORT_ERR');
      if (subject.can.has('interrupt')) {
        controller.abort('enough');
        assert.equal((await reading).cause, 'enough');
      } else {
        // It is done before anybody can say no.
        await reading.catch(() => undefined);
        controller.abort('enough');
      }
      await failure(device.read(0, 1, { signal: controller.signal }), 'ABORT_ERR');
      const offset = upTo(next, subject.size - 16);
      same(
        await device.read(offset, 16),
        (await subject.content()).subarray(offset, offset + 16),
        'after it',
      );
    },
  },
  {
    name: 'a read that runs out of time hands over its good bytes',
    needs: ['slow'],
    async run(subject, device) {
      const error = await failure(device.read(0, subject.size, { timeoutMs: 5 }), 'ETIMEDOUT');
      const good = error.bytesTransferred;
      assert.ok(good >= 0 && good < subject.size && error.partial.length === good);
      const image = await subject.content();
      same(error.partial, image.subarray(0, good), 'its good bytes');
      same(await device.read(0, 8), image.subarray(0, 8), 'after it');
    },
  },
  {
    name: 'opened read-only it takes no write, and nothing is stored',
    needs: ['write', 'content', 'close'],
    opens: { readOnly: true },
    async run(subject, device) {
      const before = Buffer.from(await subject.content());
      assert.equal(device.forceRo, true);
      await failure(device.write(0, Buffer.from([1])), 'EPERM');
      // nvmem_cell_write() says so, drivers/nvmem/core.c
      await failure(device.cellWrite({ offset: 0, bytes: 1 }, Buffer.from([1])), 'EINVAL');
      same(await subject.content(), before, 'the memory');
    },
  },
  {
    name: 'write protect is down only while a write runs, and up after one that fails',
    needs: ['wp', 'content', 'slow'],
    async run(subject, device, next) {
      assert.equal(await subject.wpIsHigh(), true);
      const model = Buffer.from(await subject.content());
      const offset = upTo(next, subject.size - 40);
      const data = bytesOf(next, 40);
      await device.write(offset, data);
      data.copy(model, offset);
      assert.equal(await subject.wpIsHigh(), true);
      same(await subject.content(), model, 'the memory');
      await failure(device.write(offset, data, { timeoutMs: 1 }), 'ETIMEDOUT');
      // The line is put up on the bus's own thread: a read goes through the same queue.
      await device.read(0, 1);
      assert.equal(await subject.wpIsHigh(), true);
    },
  },
  {
    name: 'nobody at an address: it cannot be opened, and the error says so',
    needs: ['bus'],
    async run(subject) {
      const error = await failure(subject.openAt(0x57), ...subject.absent);
      assert.equal(error.syscall, 'open');
      assert.match(error.message, /0x57/);
    },
  },
  {
    name: 'unplugged in the middle of a read: ENODEV with the good bytes, everything settles before "removed"',
    needs: ['unplug'],
    ends: true,
    async run(subject, device, next) {
      const image = Buffer.from(await subject.content());
      const order = [];
      const gone = removed(device).then(({ cause }) => order.push(`removed ${cause}`));
      await subject.arm(`unplug:host=${1 + upTo(next, Math.min(1500, subject.size - 61))}`);
      const first = failure(device.read(0, subject.size), 'ENODEV').then((error) => {
        order.push('first');
        return error;
      });
      const others = [10, 20].map((offset) =>
        device.read(offset, subject.size - offset).then(
          () => order.push('read'),
          (error) => order.push(error.code),
        ),
      );
      const error = await first;
      await Promise.all(others);
      await gone;
      same(error.partial, image.subarray(0, error.bytesTransferred), 'its good bytes');
      assert.equal(order.at(-1), 'removed unplugged', order.join(', '));
      assert.equal(order.length, 4);
      for (const again of [
        device.read(0, 1),
        device.write(0, Buffer.from([1])),
        device.cellRead({ offset: 0, bytes: 1 }),
      ])
        await failure(again, 'ENODEV');
    },
  },
  {
    name: 'unplugged in the middle of a write: the error knows what is stored, what is not, and what may be',
    needs: ['unplug', 'write', 'content'],
    ends: true,
    async run(subject, device, next) {
      const before = Buffer.from(await subject.content());
      const length = Math.min(400, subject.size);
      const offset = upTo(next, subject.size - length + 1);
      const data = Buffer.from(before.subarray(offset, offset + length).map((byte) => byte ^ 0xff));
      const gone = removed(device);
      await subject.arm(`unplug:wire=${1 + upTo(next, length - 1)}`);
      const error = await failure(device.write(offset, data, { verify: false }), 'ENODEV');
      await gone;
      await subject.plug();
      const now = await subject.content();
      const wanted = { committed: data, untouched: before.subarray(offset, offset + length) };
      let told = 0;
      for (const [kind, bytes] of Object.entries(wanted)) {
        for (const range of error[kind]) {
          told += range.length;
          const from = range.offset - offset;
          same(
            now.subarray(range.offset, range.offset + range.length),
            bytes.subarray(from, from + range.length),
            kind,
          );
        }
      }
      for (const range of error.uncertain) {
        told += range.length;
        for (let at = range.offset; at < range.offset + range.length; at++) {
          assert.ok(
            now[at] === before[at] || now[at] === data[at - offset],
            `byte ${at} is neither old nor new`,
          );
        }
      }
      assert.equal(told, length, 'the three kinds of ranges are all of the write');
      same(now.subarray(0, offset), before.subarray(0, offset), 'in front of it');
      same(now.subarray(offset + length), before.subarray(offset + length), 'behind it');
    },
  },
  {
    name: 'plugged in again it is opened again, and works',
    needs: ['unplug'],
    async run(subject, device) {
      same(await device.read(0, 64), (await subject.content()).subarray(0, 64), 'the beginning');
    },
  },
  {
    name: 'closed in the middle: pending operations get ENODEV, as does everything after; closing again is nothing',
    needs: ['close'],
    ends: true,
    async run(subject, device) {
      const pending = subject.can.has('interrupt')
        ? failure(device.read(0, subject.size), 'ENODEV')
        : undefined;
      const gone = removed(device);
      const closing = device.close();
      assert.deepEqual(await gone, { cause: 'closed', reason: 'closed' });
      await closing;
      await pending;
      await device.close();
      await failure(device.read(0, 1), 'ENODEV');
      if (subject.can.has('write')) await failure(device.write(0, Buffer.from([1])), 'ENODEV');
    },
  },
];

/** What of the suite a subject can be held to, and by which missing capabilities it cannot be to the rest. */
function plan(subject) {
  for (const capability of subject.can) assert.ok(Object.hasOwn(CAPABILITIES, capability), capability);
  return cases.map((it) => ({ ...it, lacks: (it.needs ?? []).filter((need) => !subject.can.has(need)) }));
}

/** Opens, runs one case, and closes. */
async function runCase(subject, it, seed) {
  const device = it.needs?.includes('bus') ? undefined : await subject.open(it.opens ?? {});
  try {
    await it.run(subject, device, random(seed));
  } finally {
    await device?.close?.();
    if (it.ends && it.needs.includes('unplug')) await subject.plug();
  }
}

module.exports = { CAPABILITIES, plan, runCase };
