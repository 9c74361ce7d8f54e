/** What of a part may be opened at a device address, and what must not be sent there. */
import { chipAt, type At24Chip } from './chips.js';

/** Why a part cannot be opened at an address: the end of a sentence, and what to do. */
export interface Misplaced {
  readonly problem: string;
  readonly hint: string;
}

/** I2C keeps the addresses below and above for itself. */
export const FIRST_ADDRESS = 0x08;
export const LAST_ADDRESS = 0x77;

/**
 * Device code 0110: at these addresses SPD memories (34C02, EE1002, EE1004) and AT24MAC402 take commands, some of which protect
 * them for ever; a memory that is read and written there would send them as data.
 */
export function isCommandAddress(address: number): boolean {
  return address >= 0x30 && address <= 0x37;
}

/** Device code 1011: serial numbers, EUIs, lockable pages and the registers that lock them. */
export function isWindowAddress(address: number): boolean {
  return (address & 0x78) === 0x58;
}

/**
 * Bytes from the start of whatever answers at 0x58 to 0x5f that no part known takes for a command: lock and protection
 * registers begin at word address 0x60 (AT24CSW; ST's at 0x80) where one address byte is sent, and at 0x400 where two are.
 */
const HARMLESS = { 1: 0x60, 2: 0x400 } as const;

/**
 * The chip that answers at `address` when the part there is a `chip`: the part's array, or at 0x58 to 0x5f its window.
 * `size`: bytes, where the caller says how large it is.
 */
export function chipAtAddress(chip: At24Chip, address: number, size?: number): At24Chip | Misplaced {
  const at = `0x${address.toString(16)}`;
  if (chip.paging !== 'none' && (address & 0x78) !== 0x50) {
    return { problem: `${at} is no SPD address`, hint: `A ${chip.name} answers at 0x50 to 0x57.` };
  }
  if (isCommandAddress(address)) {
    return {
      problem: `${at} is where SPD memories take commands that protect them for ever, and nothing is read or written there`,
      hint: 'EEPROMs are at 0x50 to 0x57.',
    };
  }
  const found = chipAt(chip, address);
  if (found.address === 0x58 && !isWindowAddress(address)) {
    const where =
      (address & 0x78) === 0x50
        ? `It answers at 0x${(address | 0x08).toString(16)}`
        : 'It answers at 0x58 to 0x5f';
    return {
      problem: `${found.name} is the part's second memory, at device code 1011`,
      hint: `${where}; the array is at 0x50 to 0x57, and chip= calls it by the name on the part.`,
    };
  }
  if (found.address === 0x58) {
    if (size === undefined || size <= found.size) return found;
    return {
      problem: `size=${String(size)} is more than the ${String(found.size)} bytes that a ${nameOf(chip)} has at ${at}`,
      hint: 'What lies beyond may be a command that locks it for ever: leave size= out.',
    };
  }
  if (!isWindowAddress(address)) return found;
  if (chip.part !== undefined) {
    return {
      problem: `a ${nameOf(chip)} has no second memory, and its array is not at ${at}`,
      hint: `Give the address of the array, probably 0x${(address & 0x57).toString(16)}, or the name of the part that is there.`,
    };
  }
  // A kernel's name may be all that is known, and there are microcontrollers that pose as EEPROMs anywhere.
  const mayWrite = size !== undefined && size <= HARMLESS[found.addressBytes];
  return mayWrite ? found : { ...found, readOnly: true, neverWritten: true };
}

function nameOf({ part, name }: At24Chip): string {
  return part?.toUpperCase() ?? name;
}
