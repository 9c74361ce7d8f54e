/** Feature report 0x06 (AN495 "SMBus configuration"): 13 bytes after the ID, big-endian. */
export interface SmbusConfig {
  readonly clockHz: number;
  readonly ownAddress: number;
  readonly autoSend: boolean;
  /** Milliseconds; 0: none. */
  readonly writeTimeoutMs: number;
  readonly readTimeoutMs: number;
  /** Give up when SCL was low for 25 ms. */
  readonly sclLowTimeout: boolean;
  /** How often an address that was not acknowledged is tried again; 0: for ever. */
  readonly retries: number;
}

export const DEFAULT_SMBUS_CONFIG: SmbusConfig = {
  clockHz: 100_000,
  ownAddress: 0x02,
  autoSend: false,
  writeTimeoutMs: 0,
  readTimeoutMs: 0,
  sclLowTimeout: false,
  retries: 0,
};

export function encodeSmbusConfig(config: SmbusConfig): Uint8Array {
  const bytes = new Uint8Array(13);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, config.clockHz);
  bytes[4] = config.ownAddress;
  bytes[5] = config.autoSend ? 1 : 0;
  view.setUint16(6, config.writeTimeoutMs);
  view.setUint16(8, config.readTimeoutMs);
  bytes[10] = config.sclLowTimeout ? 1 : 0;
  view.setUint16(11, config.retries);
  return bytes;
}

/** What the chip keeps of a new configuration: every field whose value is out of range keeps its old value, silently. */
export function applySmbusConfig(old: SmbusConfig, bytes: Uint8Array): SmbusConfig {
  if (bytes.length < 13) return old;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const clockHz = view.getUint32(0);
  const ownAddress = view.getUint8(4);
  const upTo1000 = (value: number, otherwise: number): number => (value <= 1000 ? value : otherwise);
  const flag = (value: number, otherwise: boolean): boolean => (value <= 1 ? value === 1 : otherwise);
  return {
    clockHz: clockHz === 0 ? old.clockHz : clockHz,
    ownAddress: ownAddress & 1 ? old.ownAddress : ownAddress,
    autoSend: flag(view.getUint8(5), old.autoSend),
    writeTimeoutMs: upTo1000(view.getUint16(6), old.writeTimeoutMs),
    readTimeoutMs: upTo1000(view.getUint16(8), old.readTimeoutMs),
    sclLowTimeout: flag(view.getUint8(10), old.sclLowTimeout),
    retries: upTo1000(view.getUint16(11), old.retries),
  };
}
