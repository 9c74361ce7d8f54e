import { closeSync, constants, openSync, readSync } from 'node:fs';

/** printk levels: 0 emergency, 3 error, 4 warning, 6 information. */
const WARNING = 4;

/** What a kernel never prints while it is well, at whatever level. */
const DISTRESS =
  /WARNING: |BUG: |Oops|general protection|KASAN|use-after-free|refcount_t|list_(add|del) corruption|blocked for more than|soft lockup|rcu.*stall|Call Trace/;

/** The drivers this is about; a processor or a clock source may complain in an emulator. */
const OURS = /usb|hid|cp2112|vhci|i2c|at24|gpio|nvmem/i;

/** The virtual controller says this of every full-speed device: vhci_hub_control() has no case for that speed. */
const NO_FAULT = /^vhci_hcd: vhci_device speed not set$/;

/** The kernel's messages, as they come in /dev/kmsg: "level,sequence,microseconds,flags;text". */
export class KernelLog {
  #fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  #records = [];

  /** Everything so far. */
  all() {
    const buffer = Buffer.alloc(8192);
    for (;;) {
      try {
        const length = readSync(this.#fd, buffer, 0, buffer.length, null);
        if (length === 0) break;
        const [head, ...text] = buffer.toString('utf8', 0, length).split('\n')[0].split(';');
        this.#records.push({ level: Number(head.split(',')[0]) & 7, text: text.join(';') });
      } catch (error) {
        if (error.code === 'EPIPE') continue; // the ring went over what was not read yet
        if (error.code === 'EAGAIN') break;
        throw error;
      }
    }
    return this.#records;
  }

  /** A place in the log, for the two below. */
  mark() {
    return this.all().length;
  }

  /** Throws where the kernel was in distress since `mark`. */
  assertWell(mark = 0) {
    this.#refuse(mark, ({ text }) => DISTRESS.test(text));
  }

  /** Throws for distress, and for any warning or error of the drivers concerned. */
  assertQuiet(mark = 0) {
    const complaint = ({ level, text }) => level <= WARNING && OURS.test(text) && !NO_FAULT.test(text);
    this.#refuse(mark, (record) => DISTRESS.test(record.text) || complaint(record));
  }

  since(mark, pattern) {
    return this.all()
      .slice(mark)
      .filter(({ text }) => pattern.test(text))
      .map(({ text }) => text);
  }

  close() {
    closeSync(this.#fd);
  }

  #refuse(mark, bad) {
    const found = this.all().slice(mark).filter(bad);
    if (found.length === 0) return;
    throw new Error(`the kernel says:\n${found.map(({ text }) => `  ${text}`).join('\n')}`);
  }
}
