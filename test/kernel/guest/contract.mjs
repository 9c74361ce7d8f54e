import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PROBE } from './basics.mjs';

const require = createRequire(import.meta.url);
const { plan, runCase } = require('../../contract/cases.js');

const SIZE = 256;
/** Of the station: one with its WP pin on GPIO 0 of the bridge, one that nobody protects. */
const WITH_WP = { address: 0x50, chip: '24c02' };
const WITHOUT = { address: 0x52, chip: `24c256&size=${SIZE}` };

/**
 * The contract that every kind of device is held to (test/contract/cases.js), on one more transport. `transport`:
 *   name      as in URIs
 *   lacks     capabilities that it has not
 *   absent    codes with which it refuses a part that is not there
 *   uri(part) of a part, '0x50?chip=24c02'; asked before every open, for nodes change their numbers
 *   whole     it shows all of the larger part
 *   wp        the URI's parameter for the bridge's GPIO 0
 *   ready()   the host's side of the cable is plugged in, and what carries the transport is there
 */
export async function contractChecks(report, station, log, seed, transport) {
  const { open } = require(join(dirname(station.cli), '..', 'index.js'));
  const lacks = new Set(transport.lacks ?? []);
  const can = ['write', 'content', 'close', 'wp', 'unplug', 'bus', 'interrupt', 'slow'];
  const part = lacks.has('wp') ? WITHOUT : { ...WITH_WP, chip: `${WITH_WP.chip}&wp=${transport.wp}` };
  const at = async (address, chip) =>
    transport.uri(`0x${address.toString(16)}?chip=${chip}`, await transport.ready());
  const size = transport.whole ? station.image.length : SIZE;
  const subject = {
    name: transport.name,
    can: new Set(can.filter((capability) => !lacks.has(capability))),
    size,
    absent: transport.absent,
    // Everything takes its time in an emulated kernel; the probe of a part included.
    open: async (options) => open(await at(part.address, part.chip), { openTimeoutMs: 20_000, ...options }),
    openAt: async (address) => open(await at(address, '24c02'), { openTimeoutMs: 20_000 }),
    content: async () => (await station.content(part.address)).subarray(0, size),
    wpIsHigh: async () => ((await station.gpioLevels()) & 1) === 1,
    arm: (fault) => station.arm(fault),
    async plug() {
      if (!(await station.plugged())) await station.plug();
      await transport.ready();
    },
  };
  await station.useTimeModel();
  const planned = plan(subject);
  for (const [index, it] of planned.entries()) {
    if (it.lacks.length > 0) {
      report.skipped(`${transport.name}: ${it.name}`, `it cannot: ${it.lacks.join(', ')}`);
      continue;
    }
    await report.check(`${transport.name}: ${it.name}`, { after: [PROBE], limitMs: 60_000 }, async () => {
      const mark = log.mark();
      await runCase(subject, it, seed + index);
      log.assertWell(mark);
    });
  }
}
