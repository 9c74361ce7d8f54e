/** Where a run takes place. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, availableParallelism, release } from 'node:os';

import { inPackage } from '../base/package.js';
import type { Environment } from './events.js';

export function environment(blind: readonly string[]): Environment {
  return {
    nvmem: versionOf(inPackage('package.json')),
    node: process.version,
    kernel: release(),
    arch: arch(),
    cpus: availableParallelism(),
    libusb: libusb(),
    blind,
  };
}

function versionOf(manifest: string): string {
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

/** The addon is built of the sources that the package usb brings. */
function libusb(): string {
  try {
    const header = createRequire(__filename).resolve('usb/libusb/libusb/version.h');
    const found = readFileSync(header, 'utf8').matchAll(/^#define LIBUSB_(?:MAJOR|MINOR|MICRO) (\d+)$/gm);
    return [...found].map(([, number]) => number).join('.');
  } catch {
    return 'unknown';
  }
}
