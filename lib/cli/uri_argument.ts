/** The argument that names a device, as people type it: a path gets its URI told. */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';

import { parseUri, type NvmemUri } from '../uri/uri.js';
import { CliError } from './failure.js';

/** @throws NvmemError EINVAL; CliError EINVAL for a path, with the URI that is meant */
export function parseUriArgument(text: string): NvmemUri {
  checkIsUri(text, '/0x50?chip=24c02');
  return parseUri(text);
}

/** @param part what follows a bus to make a device of it. @throws CliError EINVAL for a path */
export function checkIsUri(text: string, part: string): void {
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) return;
  if (!text.includes('/') && !existsSync(text)) return;
  throw new CliError('EINVAL', `${text} is a path, and a URI belongs here`, hintFor(resolve(text), part), 2);
}

function hintFor(path: string, part: string): string {
  const name = basename(path);
  if (/^\/dev\/i2c-[0-9]+$/.test(path)) return `For example i2c://${path}${part}.`;
  if (/^\/dev\/hidraw[0-9]+$/.test(path)) return `For example hidraw://${path}${part}.`;
  if (path.startsWith('/dev/bus/usb/'))
    return 'A bridge is named by its serial number or place: see nvmem list.';
  const [, memory] = /^\/sys\/bus\/nvmem\/devices\/([^/]+)(?:\/nvmem)?$/.exec(path) ?? [];
  if (memory !== undefined) return `Its URI is sysfs://${encodeURIComponent(memory)}.`;
  if (name === 'eeprom' || name === 'nvmem')
    return 'nvmem list shows the kernel’s own devices as sysfs://NAME.';
  return `Its URI is file://${path.split('/').map(encodeURIComponent).join('/')}.`;
}
