import type { Below } from '../core/device_core.js';
import { NvmemError } from '../base/errors.js';
import { isA } from '../base/foreign.js';
import { Call, type Surroundings } from './call.js';
import type { FollowReadOptions } from './options.js';

/**
 * What has crossed the wire and not arrived when the cable is pulled has to cross it again, and that is up to a whole transfer. So
 * after an unplug pieces are as small as what one report of a CP2112 carries; each stretch without another makes them larger.
 */
const SMALL_PIECE = 61;
const CALM_BYTES = 8192;

/** Bytes to ask for at once. @param calm Bytes since the last unplug; undefined: there was none. */
export function pieceAfter(calm: number | undefined): number {
  return calm === undefined ? Infinity : SMALL_PIECE * 2 ** Math.floor(calm / CALM_BYTES);
}

/** After each unplug it goes on at the first byte that is missing. */
export async function readOn(
  around: Surroundings,
  syscall: string,
  offset: number,
  length: number,
  options: FollowReadOptions,
  below: Below,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let good = 0;
  let calm: number | undefined;
  const call = new Call(around, syscall, offset, length, options, below);
  const keep = (part: Buffer): void => {
    if (part.length === 0) return;
    parts.push(part);
    call.evidence.add(offset + good, part);
    good += part.length;
  };
  return call.run(
    async (device, rest) => {
      for (;;) {
        const before = good;
        const onProgress = (done: number): void => {
          call.progress(before + done);
        };
        const piece = Math.min(length - before, pieceAfter(calm));
        try {
          const data = await device.read(offset + before, piece, {
            ...rest(),
            ...(call.tells && { onProgress }),
          });
          if (data.length === length) return data;
          keep(data);
          if (calm !== undefined) calm += data.length;
          if (good >= length) return Buffer.concat(parts, length);
        } catch (error) {
          const partial = isA(error, NvmemError) ? error.partial : undefined;
          if (partial !== undefined) keep(partial);
          calm = 0;
          throw error;
        }
      }
    },
    () => ({ bytesTransferred: good, partial: Buffer.concat(parts, good) }),
  );
}
