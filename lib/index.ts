/**
 * The Linux nvmem subsystem for Node.js user space: providers register memories, consumers read and write devices and
 * cells, and pulling the cable in the middle of it is an ordinary event (`ENODEV`).
 */
export { NvmemError, errorTable } from './base/errors.js';
export type {
  ByteRange,
  ErrorEntry,
  NvmemErrorKind,
  NvmemErrorCode,
  NvmemErrorDetails,
} from './base/errors.js';
export { Registry, nvmem } from './core/registry.js';
export { memoryProvider } from './core/memory_provider.js';
export type { NvmemEvents } from './core/registration.js';
export type { NvmemDevice } from './core/device.js';
export type { NvmemDeviceEvents } from './core/device.js';
export type { NvmemDeviceStats } from './core/stats.js';
export type { BusMessage, DeviceMessage, OperationContext } from './core/diagnostics.js';
export type { DeviceWriteOptions, NvmemWriteResult, WriteOptions } from './base/write_options.js';
export type { NvmemType } from './core/device_facts.js';
export type { NvmemVerifyResult } from './core/verify.js';
export type { NvmemCell } from './core/cell.js';
export type { CellReadOptions } from './core/cell.js';
export type { NvmemReader } from './core/reader.js';
export { attachShared } from './core/share.js';
export type { SharedToken } from './core/share_token.js';
export type { NvmemConsumer } from './core/consumer.js';
export { NvmemKernelApi } from './kernel/kernel_api.js';
export type { AdHocCellInfo } from './core/device.js';
export type { BoardCell } from './core/board_cells.js';
export type { LayoutContext, NvmemLayout } from './core/layouts.js';
export type { NvmemCellLookup } from './core/lookups.js';
export type { NvmemNotification, NvmemNotifier } from './core/notifier.js';
export type { WpLine } from './core/wp_line.js';
export type { NvmemCellInfo, PostProcessContext } from './core/cell_entry.js';
export type { NvmemConfig } from './core/config.js';
export type { Keepout } from './core/keepouts.js';
export type { NvmemId } from './core/naming.js';
export type { NativeProvider } from './core/provider.js';
export type { NvmemProvider, ProviderContext } from './core/provider.js';
export type { OperationOptions } from './base/validate.js';
export { open } from './open/open.js';
export { openBus } from './bus/bus.js';
export type { BusStats } from './bus/stats.js';
export type { Bus, BusEnd, BusEvents, BusScanOptions, OpenBusOptions } from './bus/bus.js';
export type { WidthProposal } from './bus/probe_width.js';
export type { HeldPart, PartGuess, ScannedPart } from './bus/scan/scan.js';
export type { PartSpec } from './uri/part_spec.js';
export type { OpenOptions } from './bus/open_device.js';
export { doctor } from './doctor/doctor.js';
export type { DoctorOptions, Finding } from './doctor/finding.js';
export { list } from './machine/list.js';
export type { KernelMemory, ListOptions, LocalAdapter, LocalBridge, MachineList } from './machine/list.js';
export type { Access } from './machine/machine.js';
export type { LockOptions, NvmemGeometry } from './core/part_commands.js';
export type { NvmemEnd, NvmemEndCause } from './core/device_end.js';
export type { NvmemDiagnosis } from './base/diagnosis.js';
export type { UsbBridge, UsbInterface } from './machine/bridges.js';
export { watchBridges } from './hotplug/watch.js';
export type { BridgeEvent, BridgeWatch, BridgeWatchEvents, WatchOptions } from './hotplug/watch.js';
export { journalledWrite } from './journal/write.js';
export type { JournalledWriteOptions, JournalledWriteResult } from './journal/write.js';
export { recover } from './journal/recover.js';
export type { RecoverOptions, RecoverResult } from './journal/recover.js';
export type { JournalDevice, KnownOfMemory } from './journal/memory.js';
export { atomicCell } from './journal/atomic_cell.js';
export type {
  AtomicCell,
  AtomicCellConfig,
  AtomicCellState,
  AtomicCellWriteOptions,
  AtomicCellWriteResult,
  AtomicCopy,
} from './journal/atomic_cell.js';
export { follow } from './follow/follow.js';
export type { FollowedDevice } from './follow/followed_device.js';
export { followShared } from './follow/share.js';
export type { FollowSharedOptions } from './follow/share.js';
export type { FollowToken } from './follow/token.js';
export type { FollowEvents, FollowStats } from './follow/setup.js';
export type { FollowedCell } from './follow/cell.js';
export type { FollowChange, FollowState } from './follow/life.js';
export type {
  FollowCellReadOptions,
  FollowCellWriteOptions,
  FollowEraseOptions,
  FollowOptions,
  FollowProgress,
  FollowReadOptions,
  FollowWriteOptions,
  OnUnplug,
} from './follow/options.js';
export type { FollowIdentity } from './follow/prove.js';
export type {
  FollowReadStream,
  FollowWriteStream,
  ReadStreamOptions,
  WriteStreamOptions,
} from './follow/streams.js';
export { presence } from './hotplug/presence.js';
export type { Presence, PresenceEvents, PresenceOptions } from './hotplug/presence.js';
export type { PresenceState } from './hotplug/judge.js';
export type { PresenceCause } from './hotplug/observation.js';
export type { ParsedTarget } from './hotplug/target.js';
export type { BusGpio, GpioOptions } from './bus/gpio.js';
export { fromI2cBus } from './i2c/from_i2c_bus.js';
export type { FromI2cBusOptions } from './i2c/from_i2c_bus.js';
export type { CallbackI2cBus, I2cBusObject, PromisifiedI2cBus } from './i2c/bus_calls.js';
export { scanAddresses } from './bus/scan/adapter.js';
export type { ScannedAddress, ScanOptions } from './bus/scan/adapter.js';
export type { I2cAdapter, UsbParent } from './machine/adapters.js';
export { parseUri } from './uri/uri.js';
export type {
  BusUri,
  Cp2112Uri,
  FileUri,
  HidrawUri,
  I2cUri,
  MemUri,
  NvmemUri,
  PartUri,
  SysfsUri,
  UsbipUri,
  WpUri,
} from './uri/uri.js';
export { at24Chips, chipAt, findChip, serialPartOf } from './chips/chips.js';
export type { At24Chip, ChipPlace } from './chips/chips.js';

/** All of it, for those who write `import NAME from`: what `require()` gives. */
// eslint-disable-next-line @typescript-eslint/consistent-type-imports -- a module cannot import itself by name without a circle
export default exports as typeof import('./index.js');
