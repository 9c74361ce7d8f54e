/** The cells of a followed memory: those of the device that was there last, before that those that follow() was given. */
import { NvmemError } from '../base/errors.js';
import { checkObject } from '../base/validate.js';
import { makeCellEntry, type CellEntry, type NvmemCellInfo } from '../core/cell_entry.js';
import { coreOf, type AdHocCellInfo, type NvmemDevice } from '../core/device.js';
import type { CellPlace } from './cell.js';

/** Whose cells they are. */
interface Memory {
  readonly name: string;
  readonly wordSize: number;
  readonly stride: number;
}

export class KnownCells {
  readonly #declared: readonly CellEntry[];

  /** @throws NvmemError, TypeError, RangeError: `declared` has something wrong. */
  constructor(
    declared: readonly NvmemCellInfo[],
    private readonly memory: Memory,
    private readonly lastDevice: () => NvmemDevice | undefined,
  ) {
    this.#declared = declared.map((info, i) => makeCellEntry(`cells[${String(i)}]`, info, 1, 1));
  }

  /** In the order in which they were added. */
  places(): CellPlace[] {
    return this.#entries().map((entry) => this.#placeOf(entry));
  }

  /** Undefined: it has no such cell, or that is not known. */
  place(name: string): CellPlace | undefined {
    const entry = this.#entries().find((cell) => cell.name === name);
    return entry && this.#placeOf(entry);
  }

  /** @throws NvmemError, TypeError, RangeError: `info` has something wrong. */
  adHoc(info: AdHocCellInfo): CellPlace {
    checkObject('info', info);
    const named = { ...info, name: info.name ?? 'cell' };
    const entry = makeCellEntry('info', named, this.memory.wordSize, this.memory.stride);
    return { entry, on: ({ wordSize, stride }) => makeCellEntry('info', named, wordSize, stride) };
  }

  /** ENOENT: it has no cell of that name. */
  missing(name: string, entries = this.#entries()): NvmemError {
    const { name: device } = this.memory;
    const has = entries.map((entry) => entry.name).join(', ') || 'none';
    return new NvmemError('ENOENT', `${device} has no cell ${JSON.stringify(name)}; it has ${has}`, {
      device,
      syscall: 'cell',
      hint: 'Name one of these, or give follow() its cells.',
    });
  }

  #entries(): readonly CellEntry[] {
    const device = this.lastDevice();
    return device ? coreOf(device).cells : this.#declared;
  }

  #placeOf(entry: CellEntry): CellPlace {
    return {
      entry,
      on: (device) => {
        const { cells } = coreOf(device);
        const found = cells.find(({ name }) => name === entry.name);
        if (!found) throw this.missing(entry.name, cells);
        return found;
      },
    };
  }
}
