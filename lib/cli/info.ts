import { visible } from '../base/visible.js';
import type { Part, WpUri } from '../uri/uri.js';
import { wpText } from '../uri/wp.js';
import { withoutUndefined } from './failure.js';
import { bytes } from './format.js';
import { contradiction } from '../bus/geometry.js';
import { geometryWarning } from './geometry.js';
import { describeKernelView, kernelView } from '../machine/kernel_view.js';
import type { Session } from './session.js';
import { columns } from './table.js';
import { parseUriArgument } from './uri_argument.js';

/** What is behind a URI, as far as asking it changes nothing. */
export async function infoCommand(session: Session, uri: string): Promise<void> {
  const parsed = parseUriArgument(uri);
  // While it is open a bridge is ours, and the kernel's view of it gone.
  const kernel = await kernelView(session.machine, parsed);
  await session.withDevice(uri, { readOnly: true }, async (device, facts) => {
    const { size, type } = device;
    const part = 'part' in parsed ? parsed.part : undefined;
    const cells = device.cells().map(({ name, offset, bytes: length, bitOffset, nbits }) => ({
      name,
      offset,
      bytes: length,
      ...(nbits > 0 && { bitOffset, nbits }),
    }));
    const geometry = await contradiction(device, session.limits);
    session.answer(
      withoutUndefined({
        ...facts,
        type,
        size,
        geometry,
        part: part && partFacts(part),
        speed: 'bus' in parsed ? parsed.bus.clockHz : undefined,
        bridge: part && device.identity,
        path: parsed.scheme === 'file' ? parsed.path : undefined,
        cells: cells.length > 0 ? cells : undefined,
        kernel: kernel && withoutUndefined({ ...kernel }),
      }),
    );
    const lines: [string, string][] = [
      ['device', device.name],
      ['type', type],
      ['size', bytes(size)],
    ];
    if (part) lines.push(...partLines(part));
    lines.push(...(part ? busLines(device.identity) : Object.entries(device.identity)));
    for (const { name, offset, bytes: length } of cells) {
      lines.push([`cell ${name}`, `${bytes(length)} at 0x${offset.toString(16)}`]);
    }
    if (kernel) lines.push(['kernel', describeKernelView(kernel)]);
    for (const line of columns(lines.map((row) => row.map(visible)))) await session.say(line);
    if (geometry) await session.note(geometryWarning(geometry));
  });
}

function partFacts(part: Part): Record<string, unknown> {
  return withoutUndefined({
    chip: part.chip.name,
    address: part.address,
    size: part.size,
    addressWidth: part.addressBytes * 8,
    page: part.pageSize,
    readOnly: part.chip.readOnly,
    wp: part.wp && wpFact(part.wp),
    // Opening made it so; what the pin is where nobody named the line, nobody knows.
    protecting: part.wp && true,
  });
}

function partLines(part: Part): [string, string][] {
  return [
    ['chip', part.chip.name + (part.chip.readOnly ? ', read-only' : '')],
    ['address', `0x${part.address.toString(16)}, ${String(part.addressBytes * 8)} address bits on the wire`],
    ['page', bytes(part.pageSize)],
    ['write protect', part.wp === undefined ? 'no line named (wp=N)' : `${describeWp(part.wp)}, protecting`],
  ];
}

/** What the bus says of itself, and where it does not say it as a CP2112 does, as it says it. */
function busLines(identity: Readonly<Record<string, string>>): [string, string][] {
  const rest = new Map(Object.entries(identity));
  const take = (key: string): string | undefined => {
    const value = rest.get(key);
    rest.delete(key);
    return value;
  };
  const lines: [string, string][] = [];
  const [part, version, serial] = [take('part'), take('version'), take('serial')];
  if (part !== undefined) {
    const number = serial === undefined || serial === '' ? 'no serial number' : `serial number ${serial}`;
    lines.push(['bridge', `CP2112 (part ${part}), version ${version ?? '?'}, ${number}`]);
  }
  const [vid, pid, release] = [take('vid'), take('pid'), take('release')];
  if (vid !== undefined && pid !== undefined) {
    lines.push(['USB', `${vid}:${pid}${release === undefined ? '' : `, release ${release}`}`]);
  }
  const clock = take('clock_hz');
  if (clock !== undefined) lines.push(['clock', `${clock} Hz`]);
  const more = Array.from(rest, ([key, value]): [string, string] => [`bus ${key}`, value]);
  return [...lines, ...more];
}

/** As in the URI; a GPIO of the bridge is a number. */
function wpFact(wp: WpUri): number | string {
  return wp.chip === undefined && !wp.inverted ? Number(wp.line) : wpText(wp);
}

function describeWp({ chip, line, inverted }: WpUri): string {
  const where = chip === undefined ? `GPIO ${String(line)} of the bridge` : `line ${String(line)} of ${chip}`;
  return inverted ? `${where}, inverted` : where;
}
