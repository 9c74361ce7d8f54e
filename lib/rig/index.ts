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
export type { FaultKind, FaultSpec, FlipFault, PartFault, SilentFault, UnplugFault } from './fault_kinds.js';
export type { FaultBox, FaultHandle } from './faults.js';
export { startControl, type ControlOptions, type ControlPort } from './control.js';
export { formatCommand, parseCommand } from './command_text.js';
export { COMMAND_FORMS, type Command } from './commands.js';
export { FAULT_GRAMMAR, formatFault, parseFault } from './fault_text.js';
export type { ImagePiece } from './image_pieces.js';
export {
  scenarioBench,
  type PowerCurve,
  type PowerPhase,
  type Scenario,
  type ScenarioBridge,
  type ScenarioPart,
  type ScenarioStep,
  type StepTrigger,
} from './scenario.js';
export { formatScenario } from './scenario_format.js';
export { parseScenario } from './scenario_parse.js';
export { runScenario, type ScenarioOptions, type ScenarioRun } from './scenario_run.js';
export { ScenarioError } from './yaml_reader.js';
export { EEPROM_GRAMMAR, parseEepromSpec, type EepromSpec } from './spec.js';
export { SpecError } from './text.js';

/** All of it, for those who write `import NAME from`: what `require()` gives. */
// eslint-disable-next-line @typescript-eslint/consistent-type-imports -- a module cannot import itself by name without a circle
export default exports as typeof import('./index.js');
