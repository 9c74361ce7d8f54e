import { NvmemError, saysOf, type CallSite } from '../base/errors.js';

export interface FollowVerifyResult {
  /** Bytes compared, all of them equal. */
  readonly bytesVerified: number;
}

/** @throws NvmemError EBADMSG: they differ. */
export function compare(
  device: string,
  offset: number,
  wanted: Uint8Array,
  found: Uint8Array,
  site: CallSite,
): FollowVerifyResult {
  let first = -1;
  let count = 0;
  wanted.forEach((byte, i) => {
    if (byte === found[i]) return;
    if (first < 0) first = i;
    count++;
  });
  if (first < 0) return { bytesVerified: wanted.length };
  const at = offset + first;
  const message = `${saysOf('EBADMSG')}, verify of ${String(wanted.length)} bytes at ${String(offset)} of ${device}; ${String(count)} differ, the first at 0x${at.toString(16)}`;
  throw site.adopt(
    new NvmemError('EBADMSG', message, {
      syscall: 'verify',
      device,
      offset,
      mismatchOffset: at,
      mismatchCount: count,
      hint: 'Write the data again, or read the device to see what it holds.',
    }),
  );
}
