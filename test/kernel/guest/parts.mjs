import { basicChecks } from './basics.mjs';
import { contractChecks } from './contract.mjs';
import { followChecks, followKernelChecks } from './follow.mjs';
import { gpiochipChecks } from './gpiochip.mjs';
import { hidrawTransport, i2cTransport, sysfsTransport, usbTransport } from './transports.mjs';
import { hidrawChecks } from './hidraw.mjs';
import { i2cTransportChecks } from './i2c_transport.mjs';
import { oemChecks } from './oem.mjs';
import { presenceChecks } from './presence.mjs';
import { stressChecks } from './stress.mjs';
import { timeChecks } from './times.mjs';
import { tortureAt24Checks, tortureChecks, tortureI2cChecks } from './torture.mjs';
import { toolChecks } from './tools.mjs';
import { unplugChecks } from './unplug.mjs';
import { driver, usbChecks, usbTimes } from './usb.mjs';

/** What is proven, each part in a guest of its own: several run at once, and one that dies takes no other with it. */
export const parts = {
  /** The kernel's drivers take the bench for a CP2112. */
  async bench({ report, station, log, seed, adapter }) {
    await basicChecks(report, station, log, seed, adapter);
    await toolChecks(report, station);
    await unplugChecks(report, station, log);
    await stressChecks(report, station, log, seed);
  },
  /** 32 KiB by this package's driver and by the kernel's, in the bench's time. */
  async times({ report, station, log }) {
    await timeChecks(report, station, log);
  },
  /** The contract of every device, on each of the ways to a part that only a kernel has. */
  async usb({ report, station, log, seed }) {
    await usbChecks(report, station, log, seed);
    await oemChecks(report, station, log, driver);
    await contractChecks(report, station, log, seed, usbTransport(station));
    await usbTimes(report, station, log);
  },
  async i2c({ report, station, log, seed }) {
    await i2cTransportChecks(report, station, log, seed);
    await contractChecks(report, station, log, seed, i2cTransport(station));
  },
  /** Write protect on a line of a gpiochip. */
  async gpiochip({ report, station, log, seed }) {
    await gpiochipChecks(report, station, log, seed);
  },
  async hidraw({ report, station, log, seed }) {
    await hidrawChecks(report, station, log, seed);
    await contractChecks(report, station, log, seed, hidrawTransport(station));
  },
  /** What is plugged in, as lib/hotplug tells it. */
  async presence({ report, station, log }) {
    await presenceChecks(report, station, log);
  },
  /** A memory that is unplugged in whatever is done to it, and comes back. */
  async follow({ report, station, log, seed }) {
    await followChecks(report, station, log, seed);
  },
  async followKernel({ report, station, log, seed }) {
    await followKernelChecks(report, station, log, seed);
  },
  /** `nvmem torture` on ours and on the kernel's own drivers. */
  async torture({ report, station, log, seed }) {
    await tortureChecks(report, station, log, seed);
  },
  async tortureAt24({ report, station, log, seed }) {
    await tortureAt24Checks(report, station, log, seed);
  },
  async tortureI2c({ report, station, log, seed }) {
    await tortureI2cChecks(report, station, log, seed);
  },
  async sysfs({ report, station, log, seed }) {
    await contractChecks(report, station, log, seed, sysfsTransport(station));
  },
};
