/**
 * `nvmem demo`: a bench of its own, real sockets and the real driver, and every claim checked. It ends well only when
 * each step came out as it said.
 */
import { NvmemError } from '../base/errors.js';
import type { NvmemDevice } from '../core/device.js';
import { open } from '../open/open.js';
import { VirtualBench, type VirtualDevice } from '../rig/index.js';
import { CliError, CommandFailure } from './failure.js';
import { bytes, duration } from './format.js';
import { Progress } from './progress.js';
import { sha256, since } from './read.js';
import type { Session } from './session.js';
import { wrap } from './table.js';

const SIZE = 32_768;
const UNPLUG_AFTER = 13_000;
const GREETING = Buffer.from('Hello, EEPROM!');

interface Stage {
  readonly session: Session;
  readonly bench: VirtualBench;
  readonly bridge: VirtualDevice;
  /** What the 24c256 holds. */
  readonly image: Buffer;
  readonly steps: Record<string, unknown>[];
}

export async function demoCommand(session: Session): Promise<void> {
  const began = performance.now();
  const image = Buffer.from(Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 8) * 17 + 7) & 0xff));
  const bench = await VirtualBench.start({
    devices: [
      {
        eeproms: [
          { address: 0x52, chip: '24c256', image },
          { address: 0x50, chip: '24c02', wp: 0 },
        ],
      },
    ],
  });
  const stage: Stage = { session, bench, bridge: bench.device('1-1'), image, steps: [] };
  try {
    await session.tell(
      `A virtual bench listens on 127.0.0.1:${String(bench.port)}: a CP2112 with a 24c256 and a 24c02.`,
    );
    await dumpWhole(stage, 'dump', 'Reading the 24c256, all of it');
    await unplugInTheMiddle(stage);
    stage.bridge.plug();
    await dumpWhole(stage, 'replug', 'Plugged in again; reading it once more');
    await writeProtected(stage);
    await writeWithLine(stage);
  } catch (error) {
    const { signal } = session.io;
    const cause = signal.aborted
      ? new NvmemError('ABORT_ERR', 'the demo was interrupted', { cause: signal.reason })
      : error;
    throw new CommandFailure(cause, { steps: stage.steps });
  } finally {
    await bench.close();
  }
  const ms = since(began);
  session.answer({ steps: stage.steps, ms });
  await session.say();
  await session.say(`${session.colors.green('Everything came out as it should')}, in ${duration(ms)}.`);
}

function uriOf({ bench }: Stage, rest: string): string {
  return `usbip://127.0.0.1:${String(bench.port)}/1-1/${rest}`;
}

async function dumpWhole(stage: Stage, step: string, title: string): Promise<void> {
  const { session, image } = stage;
  await headline(stage, title);
  const uri = uriOf(stage, '0x52?chip=24c256&speed=400000');
  await using(await openFor(stage, uri), async (device) => {
    const began = performance.now();
    const data = await readShown(session, device);
    const ms = since(began);
    const found = sha256(data);
    claim(found === sha256(image), step, 'the dump and the content of the part have the same SHA-256');
    stage.steps.push({ step, bytes: data.length, sha256: found, ms });
    await detail(
      stage,
      `${bytes(data.length)} in ${duration(ms)}, SHA-256 ${found.slice(0, 16)}…, as in the part`,
    );
  });
}

async function unplugInTheMiddle(stage: Stage): Promise<void> {
  const { session, bridge, image } = stage;
  await headline(stage, 'Reading it again, and pulling the cable in the middle');
  const uri = uriOf(stage, '0x52?chip=24c256&speed=400000');
  await using(await openFor(stage, uri), async (device) => {
    let pulledAt = NaN;
    bridge.once('unplugged', () => {
      pulledAt = performance.now();
    });
    const removed = new Promise<void>((resolve) => {
      device.once('removed', () => {
        resolve();
      });
    });
    bridge.faults.add({ kind: 'unplug', on: 'wire', n: UNPLUG_AFTER });
    const error = await readShown(session, device).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    const ms = since(pulledAt);
    claim(error instanceof NvmemError && error.code === 'ENODEV', 'unplug', 'the read ends with ENODEV');
    const good = error.partial ?? Buffer.alloc(0);
    claim(good.length === error.bytesTransferred, 'unplug', 'the error carries its good bytes');
    claim(good.length > 0 && good.length <= UNPLUG_AFTER, 'unplug', 'no byte is called good that never came');
    claim(good.equals(image.subarray(0, good.length)), 'unplug', 'the good bytes are those of the part');
    await removed;
    const again = await device.read(0, 1).catch((reason: unknown) => reason);
    claim(
      again instanceof NvmemError && again.code === 'ENODEV',
      'unplug',
      'a handle that is kept gives ENODEV',
    );
    stage.steps.push({
      step: 'unplug',
      code: error.code,
      message: error.message,
      bytesTransferred: good.length,
      ms,
    });
    await detail(stage, error.message);
    await detail(
      stage,
      `the error came ${duration(ms)} after the cable; its ${bytes(good.length)} equal the part's`,
    );
  });
}

async function writeProtected(stage: Stage): Promise<void> {
  const { bridge } = stage;
  await headline(stage, 'Writing to the 24c02 while its WP pin is high');
  const before = bridge.eeprom(0x50).image;
  await using(await openFor(stage, uriOf(stage, '0x50?chip=24c02')), async (device) => {
    const error = await device.write(0, GREETING).catch((reason: unknown) => reason);
    claim(
      error instanceof NvmemError && error.code === 'EBADMSG',
      'write-protected',
      'reading back finds that the part dropped the write',
    );
    const unchanged = Buffer.compare(bridge.eeprom(0x50).image, before) === 0;
    claim(unchanged, 'write-protected', 'the part holds what it held');
    stage.steps.push({ step: 'write-protected', code: error.code, message: error.message });
    await detail(stage, error.message);
  });
}

async function writeWithLine(stage: Stage): Promise<void> {
  const { bridge } = stage;
  await headline(stage, 'The same with wp=0: the line is lowered for the write and raised after it');
  const levels: boolean[] = [];
  const note = (address: number, high: boolean): void => {
    if (address === 0x50) levels.push(high);
  };
  bridge.on('wp', note);
  await using(await openFor(stage, uriOf(stage, '0x50?chip=24c02&wp=0')), async (device) => {
    const { protectError } = await device.write(0, GREETING);
    claim(protectError === undefined, 'write-line', 'write protect went back up');
    claim((await device.read(0, GREETING.length)).equals(GREETING), 'write-line', 'the text can be read');
  });
  bridge.off('wp', note);
  const stored = Buffer.from(bridge.eeprom(0x50).image.subarray(0, GREETING.length));
  claim(stored.equals(GREETING), 'write-line', 'the part holds the text');
  claim(levels.includes(false), 'write-line', 'the WP pin was low for the write');
  claim((bridge.gpioLevels & 1) === 1, 'write-line', 'the WP pin is high afterwards');
  stage.steps.push({ step: 'write-line', bytes: GREETING.length, wpHighAfterwards: true });
  await detail(stage, `${bytes(GREETING.length)} written and read back; the WP pin is high again`);
}

function openFor({ session }: Stage, uri: string): Promise<NvmemDevice> {
  return open(uri, { signal: session.io.signal });
}

async function using(device: NvmemDevice, body: (device: NvmemDevice) => Promise<void>): Promise<void> {
  try {
    await body(device);
  } finally {
    await device.close();
  }
}

async function readShown(session: Session, device: NvmemDevice): Promise<Buffer> {
  const progress = new Progress(session, '  reading', 0);
  try {
    return await device.read(0, device.size, { ...session.limits, onProgress: progress.update });
  } finally {
    progress.end();
  }
}

async function headline({ session, steps }: Stage, text: string): Promise<void> {
  await session.say();
  for (const line of wrap(`${String(steps.length + 1)}. ${text}`, session.width)) {
    await session.say(session.colors.bold(line));
  }
}

function detail({ session }: Stage, text: string): Promise<void> {
  return session.tell(text, '   ');
}

/** Ends the demo with exit status 1 where something did not come out as it should. */
function claim(holds: boolean, step: string, what: string): asserts holds {
  if (holds) return;
  throw new CliError('ERR_DEMO', `step ${step}: it is not true that ${what}`, 'Please report this.', 1);
}
