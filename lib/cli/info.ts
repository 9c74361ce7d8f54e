import { parseUri, type PartUri, type WpUri } from '../uri/uri.js';
import { withoutUndefined } from './failure.js';
import { bytes } from './format.js';
import type { Session } from './session.js';

/** What is behind a URI, as far as asking it changes nothing. */
export async function infoCommand(session: Session, uri: string): Promise<void> {
  const parsed = parseUri(uri);
  await session.withDevice(uri, { readOnly: true }, async (device, facts) => {
    const { size, type } = device;
    const part = 'part' in parsed ? parsed.part : undefined;
    session.answer(
      withoutUndefined({
        ...facts,
        type,
        size,
        part: part && partFacts(part),
        bridge: part && Object.fromEntries(device.identity),
        path: parsed.scheme === 'file' ? parsed.path : undefined,
      }),
    );
    const lines: [string, string][] = [
      ['device', device.name],
      ['type', type],
      ['size', bytes(size)],
    ];
    if (part) lines.push(...partLines(part));
    for (const [key, value] of device.identity) lines.push([part ? `bridge ${key}` : key, value]);
    const width = Math.max(...lines.map(([key]) => key.length));
    for (const [key, value] of lines) await session.say(`${key.padEnd(width)}  ${value}`);
  });
}

function partFacts(part: PartUri): Record<string, unknown> {
  return withoutUndefined({
    chip: part.chip.name,
    address: part.address,
    size: part.size,
    addressWidth: part.addressBytes * 8,
    page: part.pageSize,
    readOnly: part.chip.readOnly,
    wp: part.wp && wpText(part.wp),
    speed: part.clockHz,
  });
}

function partLines(part: PartUri): [string, string][] {
  return [
    ['chip', part.chip.name + (part.chip.readOnly ? ', read-only' : '')],
    ['address', `0x${part.address.toString(16)}, ${String(part.addressBytes * 8)} address bits on the wire`],
    ['page', bytes(part.pageSize)],
    ['write protect', part.wp === undefined ? 'no line named (wp=N)' : `${describeWp(part.wp)}, protecting`],
  ];
}

/** As in the URI; a GPIO of the bridge is a number. */
function wpText({ chip, line }: WpUri): number | string {
  return chip === undefined ? Number(line) : `${chip}:${String(line)}`;
}

function describeWp({ chip, line }: WpUri): string {
  return chip === undefined ? `GPIO ${String(line)} of the bridge` : `line ${String(line)} of ${chip}`;
}
