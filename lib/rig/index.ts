/**
 * The virtual bench: CP2112 bridges with 24Cxx EEPROMs, modelled at the USB level and exported over USB/IP, for nvmem, for a
 * Linux kernel (`usbip attach`), or for any other client.
 * @module
 */
export { VirtualBench, type BenchEvents, type BenchOptions } from './bench.js';
export { chipNames, findChip, type ChipModel, type ChipWindow } from './chips.js';
export { ManualClock, RealClock, type Clock, type Timer } from './clock.js';
export type { SiliconVersion } from './setup.js';
export { VirtualDevice } from './device.js';
export type { DeviceEvents, DeviceStats, ReportEvent } from './events.js';
export type { DeviceSetup, EepromSetup, TimeMode } from './setup.js';
export type { Attachment, Urb, UrbPort } from './urb.js';
export { Eeprom, type EepromEvent, type Maker, type PowerLoss } from './eeprom.js';
export type { FaultBox, FaultHandle, FaultKind, FaultSpec, UnplugFault } from './faults.js';
export { startControl, type ControlOptions, type ControlPort } from './control.js';
export {
  EEPROM_GRAMMAR,
  FAULT_GRAMMAR,
  parseEepromSpec,
  parseFault,
  SpecError,
  type EepromSpec,
} from './spec.js';

/** All of it, for those who write `import NAME from`: what `require()` gives. */
// eslint-disable-next-line @typescript-eslint/consistent-type-imports -- a module cannot import itself by name without a circle
export default exports as typeof import('./index.js');
