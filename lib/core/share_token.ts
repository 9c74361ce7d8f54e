/** How a device is made known to the other threads of its process. */
import type { CellEntry } from './cell_entry.js';
import type { DeviceCore, ReadOnly } from './device_core.js';
import type { DeviceFacts } from './device_facts.js';
import { codeOf, NvmemError } from '../base/errors.js';
import { goneHint } from '../base/part_words.js';

/** What share() gives: can be posted to any thread of the process, and means nothing to another process. */
export interface SharedToken {
  readonly type: 'nvmem-shared-device';
  /** 128 random bits. */
  readonly id: string;
}

/** What goes with a token, inside the addon: nothing that another thread says is believed. */
export interface Description {
  readonly facts: DeviceFacts;
  readonly readOnly: ReadOnly;
  readonly hasWpLine: boolean;
  readonly isPart: boolean;
  readonly cells: readonly Omit<CellEntry, 'readPostProcess'>[];
}

/** @internal For NvmemDevice.share(). */
export function shareDevice(core: DeviceCore): SharedToken {
  const { facts, port, readOnly } = core;
  const refuse = (code: NvmemError['code'], message: string): never => {
    throw new NvmemError(code, message, {
      syscall: 'share',
      device: facts.name,
      hint:
        code === 'ENODEV'
          ? goneHint(core.gone)
          : 'Answer the other thread by messages, or use a provider of the addon (memoryProvider(), open()).',
    });
  };
  const { slot, hasWpLine, isPart } = port;
  if (!slot)
    return refuse('EOPNOTSUPP', `the provider of ${facts.name} is JavaScript and stays in its thread`);
  const cells = core.cells.filter(({ readPostProcess }) => readPostProcess === undefined);
  const description: Description = { facts, readOnly, hasWpLine, isPart, cells };
  const id = core.gone === undefined ? slot.share(JSON.stringify(description)) : -19;
  if (typeof id === 'number') return refuse(codeOf(id), `${facts.name} is gone${because(core.gone)}`);
  core.shareWrites();
  return { type: 'nvmem-shared-device', id };
}

function because(reason: string | undefined): string {
  return reason === undefined ? '' : ` (${reason})`;
}
