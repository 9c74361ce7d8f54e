/** The virtual bench that a run makes for itself, and the names of what is on it. */
import { NvmemError } from '../base/errors.js';
import { findChip, parseFault, VirtualBench, type DeviceSetup, type EepromSetup } from '../rig/index.js';
import { Random } from './random.js';
import type { TortureBench } from './options.js';

/** A small part with a write-protect line, and one of two address bytes. */
const DEVICES: readonly DeviceSetup[] = [
  {
    eeproms: [
      { address: 0x50, chip: '24c02', wp: 0, powerLoss: 'tear' },
      { address: 0x52, chip: '24c32', powerLoss: 'tear' },
    ],
  },
];
const SCHEME = 'bench:';
/** Without time a write cycle is so many refused addresses, and how long these take is the machine's affair: a patient limit. */
const TIMELESS = { busyPolls: 1, query: '&twr=500' };

export interface OwnBench {
  readonly bench: VirtualBench;
  /** As they are written in a command, `bench:BUSID/0xADDR?…`, and as the library opens them. */
  readonly subjects: readonly { readonly name: string; readonly uri: string }[];
}

/** Its parts hold bytes of the seed. @throws RangeError, SpecError: a setup or a fault that cannot be; NvmemError EINVAL: a subject */
export async function startBench(
  setup: TortureBench,
  names: readonly string[],
  seed: number,
): Promise<OwnBench> {
  const { time = 'off' } = setup;
  const devices = (setup.devices ?? DEVICES).map((device, at) => ({
    busid: `1-${String(at + 1)}`,
    ...(time === 'off' ? { busyPolls: TIMELESS.busyPolls } : {}),
    ...device,
    eeproms: (device.eeproms ?? []).map((eeprom) => ({ image: imageOf(eeprom, seed), ...eeprom })),
  }));
  const bench = await VirtualBench.start({ devices, time });
  try {
    for (const text of setup.faults ?? []) {
      const [, busid, fault = ''] = /^(?:(\d+-[\d.]+)\/)?([^]*)$/.exec(text) ?? [];
      bench.device(busid ?? bench.devices[0]?.busid).faults.add(parseFault(fault));
    }
    const all =
      names.length > 0
        ? names
        : devices.flatMap((device) => everyPart(device, time === 'off' ? TIMELESS.query : ''));
    return { bench, subjects: all.map((name) => ({ name, uri: uriOf(bench, name) })) };
  } catch (error) {
    await bench.close();
    throw error;
  }
}

function imageOf({ address, chip }: EepromSetup, seed: number): Uint8Array {
  return new Random(seed, 'image', address).bytes(findChip(chip)?.size ?? 0);
}

function everyPart({ busid = '', eeproms = [] }: DeviceSetup, query: string): string[] {
  return eeproms.map(({ address, chip, wp, wpInverted }) => {
    const line = typeof wp === 'number' ? `&wp=${wpInverted === true ? '!' : ''}${String(wp)}` : '';
    return `${SCHEME}${busid}/0x${address.toString(16)}?chip=${chip}&speed=400000${line}${query}`;
  });
}

function uriOf(bench: VirtualBench, name: string): string {
  if (!name.startsWith(SCHEME)) return name;
  const rest = name.slice(SCHEME.length).replace(/^\/+/, '');
  if (!bench.devices.some(({ busid }) => rest.startsWith(`${busid}/`))) {
    throw new NvmemError('EINVAL', `${name} is on no bridge of the bench`, {
      hint: `Write ${SCHEME}BUSID/0xADDR?chip=NAME; its bridges are ${bench.devices.map(({ busid }) => busid).join(', ')}.`,
    });
  }
  return `usbip://127.0.0.1:${String(bench.port)}/${rest}`;
}
