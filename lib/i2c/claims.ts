/** Who uses which addresses of an i2c-bus object: two geometries cannot share one, and writers of one part take turns. */
import { NvmemError } from '../base/errors.js';
import type { ClaimedPart } from '../core/provider.js';
import { usesOf, type AddressUse, type Geometry } from '../chips/uses.js';
import type { NativeTurn } from '../native/index.js';

interface Claim {
  readonly uses: readonly AddressUse[];
  readonly holder: string;
  readonly turns: Turns;
}

/** By object: whoever has it shares it. */
const claims = new WeakMap<object, Set<Claim>>();

/** @throws NvmemError EBUSY: an address is in use as another part. */
export function claimOn(bus: object, geometry: Geometry, holder: string): ClaimedPart {
  const uses = usesOf(geometry);
  const others = claims.get(bus) ?? new Set<Claim>();
  claims.set(bus, others);
  let turns: Turns | undefined;
  for (const other of others) {
    for (const { address, as } of uses) {
      const theirs = other.uses.find((use) => use.address === address);
      if (theirs === undefined) continue;
      if (theirs.as !== as) throw inUse(geometry, other.holder);
      if (!as.startsWith('*')) turns ??= other.turns;
    }
  }
  const claim: Claim = { uses, holder, turns: turns ?? new Turns() };
  others.add(claim);
  return {
    takeTurn: () => claim.turns.take(),
    release: () => {
      others.delete(claim);
    },
  };
}

function inUse({ address, chip }: Geometry, holder: string): NvmemError {
  return new NvmemError(
    'EBUSY',
    `cannot use the ${chip.name} at 0x${address.toString(16)}: the device ${holder} uses an address of it as another part`,
    {
      syscall: 'register',
      hint: 'Only one of the two can be right about what is there: unregister the other, or correct chip and address.',
    },
  );
}

/** As native/util/turns.h. */
class Turns {
  readonly #queue: (() => void)[] = [];

  take(): NativeTurn {
    let grant!: () => void;
    const granted = new Promise<void>((resolve) => {
      grant = resolve;
    });
    const queue = this.#queue;
    queue.push(grant);
    return {
      granted: queue.length === 1 ? undefined : granted,
      give: () => {
        const at = queue.indexOf(grant);
        if (at < 0) return;
        queue.splice(at, 1);
        if (at === 0) queue[0]?.();
      },
    };
  }
}
