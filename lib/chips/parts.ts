/** What makers print on their parts, with what their data sheets say where that is more than the kernel's row. */
import type { At24Chip } from './chip.js';

export interface PartRow {
  /** Without package and speed, one after another. */
  readonly names: string;
  /** The kernel's name. */
  readonly chip: string;
  /** Of the data sheet. None: names that do not tell a maker, they get the kernel's careful row as it is. */
  readonly more?: Partial<At24Chip>;
}

/** In front of the comma of a compatible (Documentation/devicetree/bindings/eeprom/at24.yaml, spd5118.c). */
export const VENDORS: readonly string[] = [
  ...['atmel', 'catalyst', 'giantec', 'jedec', 'microchip', 'nxp', 'onnn', 'ramtron', 'renesas', 'rohm'],
  ...['samsung', 'st'],
];

type Entry = [names: string, chip: string, pageSize: number, more?: Partial<At24Chip>];

function maker(common: Partial<At24Chip>, entries: readonly Entry[]): PartRow[] {
  return entries.map(([names, chip, pageSize, more]) => ({
    names,
    chip,
    more: { writeCycleMs: 5, ...common, pageSize, ...more },
  }));
}

/**
 * 24AA02Exx: a 24c02 whose upper half is protected for good; the EUI is its last 6 or 8 bytes. The kernel's rows of that name
 * are the first bytes of the array, which boards make whole again with size = 256.
 */
const NODE: Partial<At24Chip> = { size: 256, readOnly: false };

// prettier-ignore
export const PARTS: readonly PartRow[] = [
  // DS20006111, DS20006109, DS20005937, DS20006270, DS20006161, DS20006170, DS20006197, DS20006330, AT24MAC402
  ...maker({ writeProtect: 'drop' }, [
    ['AT24C01', '24c01', 8],
    ['AT24C02 AT24HC02', '24c02', 8],
    ['AT24C04', '24c04', 16],
    ['AT24C08', '24c08', 16],
    ['AT24C16', '24c16', 16],
    ['AT24C32', '24c32', 32],
    ['AT24C64', '24c64', 32],
    ['AT24C128', '24c128', 64],
    ['AT24C256', '24c256', 64],
    ['AT24C512', '24c512', 128],
    ['AT24CM01 AT24C1024', '24c1024', 256],
    ['AT24CM02', '24c2048', 256, { writeCycleMs: 10 }],
    ['AT24CS01', '24c01', 8, { window: '24cs01' }],
    ['AT24CS02', '24c02', 8, { window: '24cs02' }],
    ['AT24CS04', '24c04', 16, { window: '24cs04' }],
    ['AT24CS08', '24c08', 16, { window: '24cs08' }],
    ['AT24CS16', '24c16', 16, { window: '24cs16' }],
    ['AT24CS32', '24c32', 32, { window: '24cs32' }],
    ['AT24CS64', '24c64', 32, { window: '24cs64' }],
    ['AT24MAC402', '24c02', 16, { window: '24mac402' }],
    ['AT24MAC602', '24c02', 16, { window: '24mac602' }],
  ]),
  // DS21178, DS21711, DS20001709, DS21210, DS21703, DS20001203, 24LC1025, 24LC1026, DS20002124
  ...maker({ writeProtect: 'drop' }, [
    ['24LC00 24AA00', '24c00', 1],
    ['24LC01 24AA01 24FC01', '24c01', 8],
    ['24LC02 24AA02 24FC02', '24c02', 8],
    ['24LC024 24AA024 24LC025 24AA025', '24c02', 16],
    ['24AA02E48', '24aa025e48', 8, NODE],
    ['24AA025E48', '24aa025e48', 16, NODE],
    ['24AA02E64', '24aa025e64', 8, NODE],
    ['24AA025E64', '24aa025e64', 16, NODE],
    ['24LC04 24AA04 24FC04', '24c04', 16],
    ['24LC08 24AA08 24FC08', '24c08', 16],
    ['24LC16 24AA16 24FC16', '24c16', 16],
    ['24LC32 24AA32 24FC32', '24c32', 32],
    ['24LC64 24AA64 24FC64', '24c64', 32],
    ['24LC128 24AA128 24FC128', '24c128', 64],
    ['24LC256 24AA256 24FC256', '24c256', 64],
    ['24LC512 24AA512 24FC512', '24c512', 128],
    ['24LC1025 24AA1025 24FC1025', '24c1025', 128],
    ['24LC1026 24AA1026 24FC1026', '24c1024', 128],
  ]),
  // ST: M24C01/02 DocID024020, M24C04 to M24M02. With a lockable page at device code 1011: the -D types (M24C32-D to M24M02-D;
  // -DRE, 105 °C), the A125 types (M24C02-A125 DocID025755, M24C16-A125 DocID025622: one address byte) and the M24xxxE types.
  ...maker({ writeProtect: 'refuse' }, [
    ['M24C01', '24c01', 16],
    ['M24C02', '24c02', 16],
    ['M24C04', '24c04', 16],
    ['M24C08', '24c08', 16],
    ['M24C16', '24c16', 16],
    ['M24C32', '24c32', 32],
    ['M24C64', '24c64', 32],
    ['M24128', '24c128', 64],
    ['M24256', '24c256', 64],
    ['M24512', '24c512', 128],
    ['M24M01', '24c1024', 256],
    ['M24M02', '24c2048', 256, { writeCycleMs: 10 }],
    ['M24C02-D M24C02-A125', '24c02', 16, { window: '24c02d-wl' }],
    ['M24C04-D M24C04-A125', '24c04', 16, { window: '24c02d-wl' }],
    ['M24C08-D M24C08-A125', '24c08', 16, { window: '24c02d-wl' }],
    ['M24C16-D M24C16-A125', '24c16', 16, { window: '24c02d-wl' }],
    ['M24C32-D M24C32-A125', '24c32', 32, { window: '24c32d-wl' }],
    ['M24C64-D M24C64-A125', '24c64', 32, { window: '24c64d-wl' }],
    ['M24128-D M24128-A125', '24c128', 64, { window: '24128d-wl' }],
    ['M24256-D M24256-A125', '24c256', 64, { window: '24256e-wl' }],
    ['M24512-D M24512-A125', '24c512', 128, { window: '24512d-wl' }],
    ['M24M01-D M24M01-A125', '24c1024', 256, { window: '24m01d-wl' }],
    ['M24M02-D M24M02-A125', '24c2048', 256, { writeCycleMs: 10, window: '24m02d-wl' }],
    ['M24256E', '24c256', 64, { window: '24256e-wl' }],
    ['M24512E', '24c512', 128, { window: '24512e-wl' }],
    ['M24M01E', '24c1024', 256, { window: '24m01e-wl' }],
    ['M24M02E', '24c2048', 256, { window: '24m02e-wl' }],
  ]),
  // onsemi CAT24C01/D: 16-byte pages from 1 Kbit on; WP high: the data byte is not acknowledged
  ...maker({ writeProtect: 'refuse' }, [
    ['CAT24C01', '24c01', 16],
    ['CAT24C02', '24c02', 16],
    ['CAT24C04 CAT24C05', '24c04', 16],
    ['CAT24C08', '24c08', 16],
    ['CAT24C16', '24c16', 16],
    ['CAT24C32', '24c32', 32],
    ['CAT24C64', '24c64', 32],
    ['CAT24C128', '24c128', 64],
    ['CAT24C256', '24c256', 64],
    ['CAT24C512', '24c512', 128],
    ['CAT24M01', '24c1024', 256],
    ['CAT24M02', '24c2048', 256],
  ]),
  // ROHM BR24G01-3, BR24G02-3 (8-byte pages), BR24G256-3, BR24Gxxx-3A, BR24G1Mxxx-5A
  ...maker({}, [
    ['BR24G01', '24c01', 8],
    ['BR24G02', '24c02', 8],
    ['BR24G04', '24c04', 16],
    ['BR24G08', '24c08', 16],
    ['BR24G16', '24c16', 16],
    ['BR24G32', '24c32', 32],
    ['BR24G64', '24c64', 32],
    ['BR24G128', '24c128', 64],
    ['BR24G256', '24c256', 64],
    ['BR24G1M', '24c1024', 256],
  ]),
  // Fairchild DS800023
  ...maker({}, [['FM24C256', '24c256', 64, { writeCycleMs: 6 }]]),
  // DDR4 and DDR5 SPD parts; JEDEC leaves no room for differences
  ...maker({}, [['AT34C04 M34E04 N34C04', 'ee1004', 16]]),
  // Several makers under one name, names at24.yaml gives a kernel's name for, and ACPI's
  { names: 'FM24C01 ST24C01 BR24T01', chip: '24c01' },
  { names: 'FM24C02 ST24C02 SE97B R1EX24002', chip: '24c02' },
  { names: 'FM24C04', chip: '24c04' },
  { names: 'FM24C08 INT3499', chip: '24c08' },
  { names: 'FM24C16 HT24LC16 R1EX24016', chip: '24c16' },
  { names: 'FM24C32 GT24C32', chip: '24c32' },
  { names: 'FM24C64', chip: '24c64' },
  { names: 'FM24C128 R1EX24128 S524AD0XD1', chip: '24c128' },
  { names: 'FM24C512 BR24G512', chip: '24c512' },
  { names: 'TPF0001', chip: '24c1024' },
];
