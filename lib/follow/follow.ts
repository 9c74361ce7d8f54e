import { checkString } from '../base/validate.js';
import { checkConfig, checkRanges } from '../core/config.js';
import { nvmem } from '../core/registry.js';
import { realClock, type Clock } from '../hotplug/clock.js';
import { refuse } from '../uri/refuse.js';
import { parseUri, type NvmemUri } from '../uri/uri.js';
import { attachmentOf, type Attachment } from './attach.js';
import { FollowedDevice } from './followed_device.js';
import { checkFollowOptions, type FollowOptions } from './options.js';
import { OwnerLife } from './owner.js';
import { Sharing } from './share.js';
import { Prover, uniquePlaceOf } from './prove.js';

/** The longest write page of a 24Cxx part, bytes: where the memory does not say how long its own are. */
const LONGEST_PAGE = 256;

const NOBODY = { read: (): Uint8Array => new Uint8Array(0) };

/** @internal For tests. */
export interface FollowParts {
  readonly attach?: Attachment;
  readonly clock?: Clock;
}

/**
 * Follows a memory over unplugs and replugs. It returns at once, present or not: present() waits for it, events and changes() tell
 * of it. While it is absent operations say ENODEV at once, or wait with `onUnplug: 'wait'`: after a return, and once it is proved
 * that it is the same memory, they go on where they stopped. Another memory is ESTALE, and nothing is read from it for a
 * caller or written to it before accept().
 *
 * While it is present the registry has a device of its name, with its cells; while it is absent that is EPROBE_DEFER.
 *
 * @throws NvmemError EINVAL: the URI can never work (no such scheme, unknown chip, nothing that comes and goes), or the part has
 *   no serial number for `identity: 'unique'`; TypeError, RangeError: a wrong option. Whatever else goes wrong is the event
 *   'error', and is tried again.
 *
 * @example
 * await using board = follow('cp2112://0043FFF3/0x50?chip=24c256', { name: 'board', onUnplug: 'wait' });
 * await board.write(0, image); // as many replugs as it takes
 */
export function follow(uri: string, options: FollowOptions = {}, parts: FollowParts = {}): FollowedDevice {
  checkString('uri', uri);
  checkFollowOptions(options);
  const {
    onUnplug = 'fail',
    identity = 'content',
    lookups = [],
    signal,
    registry = nvmem,
    ...rest
  } = options;
  const parsed = followable(uri);
  const size = 'part' in parsed ? parsed.part.size : undefined;
  const { cells, keepouts, readOnly } = rest;
  // All that is wrong with them is wrong now, and not when it comes.
  const { id, name: given } = rest;
  const config = {
    name: given,
    id: id ?? (given === undefined ? 'auto' : 'none'),
    cells,
    keepouts,
    readOnly,
  };
  checkRanges(checkConfig({ ...config, provider: NOBODY, size: size ?? 0 }, 'checked'));
  const unique = identity === 'unique' ? uniquePlaceOf(uri, parsed) : undefined;
  const { attach = attachmentOf(parsed, registry), clock = realClock } = parts;
  const name = nameOf(rest.name, rest.id);
  const table = lookups.map((lookup) => ({ ...lookup, nvmemName: name ?? '' }));
  registry.addCellLookups(...table);
  const onAbort = (): void => {
    void followed.close();
  };
  let sharing: Sharing | undefined;
  let owner: OwnerLife | undefined;
  const pageSize = 'part' in parsed ? parsed.part.pageSize : LONGEST_PAGE;
  const followed: FollowedDevice = new FollowedDevice({
    uri,
    clock,
    onUnplug,
    name,
    size,
    pageSize,
    cells: cells ?? [],
    keepouts: keepouts ?? [],
    makeLife: (audience, evidence, prepare) => {
      const prover = new Prover(identity, unique, attach, evidence, () => clock.random());
      owner = new OwnerLife({ uri, openOptions: rest, prepare }, attach, prover, clock, audience);
      return owner;
    },
    share: (around) => {
      const facts = { uri, name, size, pageSize, cells: cells ?? [] };
      sharing ??= new Sharing(around, facts, (reason) => {
        owner?.refuse(reason);
      });
      return sharing.token;
    },
    over: () => {
      sharing?.end();
      registry.removeCellLookups(...table);
      signal?.removeEventListener('abort', onAbort);
    },
  });
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return followed;
}

/** @throws NvmemError EINVAL */
function followable(uri: string): NvmemUri {
  const parsed = parseUri(uri);
  if (parsed.scheme !== 'mem' && parsed.scheme !== 'file') return parsed;
  return refuse(
    uri,
    'what it names does not come and go',
    'Use open() for it; follow() is for cp2112://, hidraw://, i2c://, usbip:// and sysfs://.',
  );
}

function nameOf(name: string | undefined, id: FollowOptions['id']): string | undefined {
  if (name === undefined || id === undefined || id === 'none' || id === -1) return name;
  if (typeof id === 'number' && id >= 0) return `${name}${String(id)}`;
  return undefined;
}
