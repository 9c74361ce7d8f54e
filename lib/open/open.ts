import { checkString } from '../base/validate.js';
import type { NvmemDevice } from '../core/device.js';
import { memoryProvider } from '../core/memory_provider.js';
import {
  checkOpenOptions,
  DEFAULT_OPEN_TIMEOUT_MS,
  registerOpened,
  throwIfAborted,
  type OpenOptions,
} from '../bus/open_device.js';
import type { Opened } from '../bus/opened.js';
import { openPart } from '../bus/part_device.js';
import { parseUri, type FileUri, type MemUri, type NvmemUri } from '../uri/uri.js';
import { openFile } from './file_provider.js';
import { openSysfs } from './sysfs_device.js';

/**
 * Opens the memory behind a URI and registers it. The part is asked for a byte, so an address where nobody answers is
 * an error here; the write-protect line, if there is one, is made to protect. Nothing stays open after a failure.
 *
 * When the bridge goes, its devices are unregistered by themselves and announce 'removed'.
 *
 * Rejects with NvmemError: EINVAL (bad URI, unknown chip), EOPNOTSUPP (scheme not in this version; no CP2112),
 * ECONNREFUSED, EHOSTUNREACH, EPROTO (no USB/IP server), ENOENT (no such bus id, file, or line for wp=), ENXIO (nobody
 * at that address), EMEDIUMTYPE (another part there, see forceGeometry), EBUSY (bridge or WP line in use, open with another clock, an address
 * of the part in use as another part, or its I2C bus held low), EAGAIN (arbitration lost), ENODEV, ETIMEDOUT, ABORT_ERR, EEXIST (name taken), EACCES, ENOSYS (no
 * gpiochip lines in this kernel);
 * TypeError and RangeError for bad options.
 *
 * @example
 * const eeprom = await open('usbip://127.0.0.1/1-1/0x50?chip=24c256');
 * const data = await eeprom.read(0, eeprom.size);
 * await eeprom.close();
 */
export async function open(uri: string, options: OpenOptions = {}): Promise<NvmemDevice> {
  checkString('uri', uri);
  checkOpenOptions(options);
  return openParsed(parseUri(uri), options);
}

/** As open(), of a URI that has been taken apart already. */
export async function openParsed(uri: NvmemUri, options: OpenOptions): Promise<NvmemDevice> {
  throwIfAborted(options.signal, uri.uri);
  return registerOpened(openMemoryBehind(uri, options), uri.uri, options);
}

function openMemoryBehind(
  uri: NvmemUri,
  { readOnly = false, openTimeoutMs = DEFAULT_OPEN_TIMEOUT_MS, signal, forceGeometry }: OpenOptions,
): Promise<Opened> {
  if ('bus' in uri)
    return openPart(uri.bus, uri.part, { uri: uri.uri, openTimeoutMs, signal, forceGeometry });
  switch (uri.scheme) {
    case 'mem':
      return Promise.resolve(openMemory(uri));
    case 'file':
      return openImage(uri, readOnly);
    case 'sysfs':
      return openSysfs(uri, readOnly, openTimeoutMs, signal);
  }
}

function openMemory(uri: MemUri): Opened {
  return {
    name: 'mem',
    provider: memoryProvider(uri.size),
    readOnly: false,
    type: 'Unknown',
    identity: new Map(),
    gone: undefined,
    discard: () => Promise.resolve(),
    free: () => Promise.resolve(),
  };
}

async function openImage(uri: FileUri, readOnly: boolean): Promise<Opened> {
  const provider = await openFile(uri, readOnly);
  return {
    name: 'file',
    provider,
    readOnly: !provider.writable,
    type: 'Unknown',
    identity: new Map([['path', uri.path]]),
    gone: undefined,
    discard: () => provider.close(),
    free: () => provider.close(),
  };
}
