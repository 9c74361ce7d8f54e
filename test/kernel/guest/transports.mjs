import { readdirSync } from 'node:fs';
import { chipComes } from './gpio.mjs';
import { adapters } from './i2c.mjs';
import { until } from './wait.mjs';

/** The bridge as the kernel sees it, attached and with a driver: what a transport needs before it is opened. */
async function driverIsThere(station) {
  if (adapters().length === 0) await station.attach();
  return await until('adapter of hid-cp2112', 15_000, () => {
    const [number] = adapters();
    return number === undefined ? undefined : { number };
  });
}

export function usbTransport(station) {
  return {
    name: 'usb',
    absent: ['ENXIO'],
    wp: '0',
    uri: (part) => `cp2112:///${part}`,
    ready: () => driverIsThere(station),
  };
}

export function i2cTransport(station) {
  return {
    name: 'i2c',
    // the gpiochip of hid-cp2112, by label: its number is another after every unplug
    wp: 'cp2112_gpio:0',
    // hid-cp2112 gives -ETIMEDOUT for an address that nobody acknowledges (cp2112_i2c_xfer)
    absent: ['ENXIO', 'ETIMEDOUT'],
    uri: (part, { number }) => `i2c:///dev/i2c-${number}/${part}`,
    async ready() {
      const found = await driverIsThere(station);
      await chipComes();
      return found;
    },
  };
}

/** The kernel's at24 on a part that nobody protects. It writes a byte at a time, for nobody told it the page size. */
export function sysfsTransport(station) {
  return {
    name: 'sysfs',
    lacks: ['wp', 'bus'],
    uri: (_part, { name }) => `sysfs://${name}`,
    whole: true,
    async ready() {
      const { number } = await driverIsThere(station);
      await station.at24(number, '24c256', 0x52);
      const [name] = readdirSync(`/sys/bus/i2c/devices/${number}-0052`).filter((entry) =>
        entry.startsWith(`${number}-0052`),
      );
      return { name };
    },
  };
}

export function hidrawTransport(station) {
  return {
    name: 'hidraw',
    absent: ['ENXIO'],
    wp: '0',
    uri: (part, { node }) => `hidraw:///dev/${node}/${part}`,
    async ready() {
      await driverIsThere(station);
      return await until('hidraw node', 15_000, () => {
        const [device] = readdirSync('/sys/bus/hid/drivers/cp2112').filter((name) => /10C4:EA90/.test(name));
        const [node] =
          device === undefined ? [] : readdirSync(`/sys/bus/hid/drivers/cp2112/${device}/hidraw`);
        return node === undefined ? undefined : { node };
      });
    },
  };
}
