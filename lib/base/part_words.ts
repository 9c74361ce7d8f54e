/** What the codes mean, and what to do, where a part on an I2C bus gave them. Providers of another kind have none of these. */

export interface Words {
  /** What happened, as the middle of a sentence. */
  readonly says?: string;
  /** What to do next. */
  readonly hint?: string;
}

const PART: Readonly<Partial<Record<string, Words>>> = {
  ENXIO: {
    says: 'nobody acknowledges that address',
    hint:
      'nvmem scan shows who answers on the bus. Check the address (0x50 plus A2 A1 A0), that the part has power, and SDA and SCL ' +
      'with their pull-ups.',
  },
  EMEDIUMTYPE: { hint: 'Check chip=, size= and the address; nvmem scan shows what is there.' },
  EREMOTEIO: {
    says: 'the part acknowledged its address but refused a later byte',
    hint: 'For a write, release write protect (wp=N names the bridge GPIO on the WP pin); else check chip= and addressWidth=.',
  },
  EIO: { hint: 'Repeat; when it persists check wiring, pull-ups and a lower speed=.' },
  EPROTO: { hint: 'Plug the bridge in again; when it persists it is no CP2112.' },
  EPERM: {
    hint: 'Open it for writing (forceRo off), and name the line on the WP pin with wp=N or tie the pin low.',
  },
  EBADMSG: {
    hint: 'Write protect is the usual reason: tie WP low, or name the bridge GPIO on it with wp=N.',
  },
  EBUSY: { hint: 'Let the other user of the bus finish; one that is held low needs its parts power-cycled.' },
  EAGAIN: {
    says: 'arbitration was lost to another master',
    hint: 'Repeat; the other master has the bus for itself that long.',
  },
  ETIMEDOUT: {
    hint: 'Repeat, with a longer timeout if the transfer is long; a bridge that stays silent needs to be plugged in again.',
  },
  EPIPE: {
    says: 'the bridge stalled the request',
    hint: 'Plug it in again; when it persists the bridge is not a CP2112.',
  },
  EFBIG: { hint: 'Give fewer bytes, another offset, or the right chip=.' },
};

/** Undefined: no more than the code itself says. */
export function partWords(code: string): Words | undefined {
  return Object.hasOwn(PART, code) ? PART[code] : undefined;
}

/** What to do where a device has gone, by the reason given when it went. */
export function goneHint(reason: string | undefined): string | undefined {
  if (reason === undefined) return undefined;
  if (reason === 'closed') return 'The program has closed it: open it again to go on.';
  if (reason === 'unregistered') return 'The program has unregistered it: register it again to go on.';
  if (/\bserver\b|connection/.test(reason)) {
    return 'Look whether the server still runs and exports it, then open it again.';
  }
  if (/unplugged|has gone|went away/.test(reason)) return 'Plug it in again, then open it again.';
  if (reason.includes('kernel has removed')) return 'Bind its driver again, then open it again.';
  return undefined;
}
