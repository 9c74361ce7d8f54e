// The cable is pulled in the middle of a read, on a virtual bench: the read rejects with ENODEV and hands over its
// good bytes; after the replug the rest is read.
//
//     node examples/unplug.mjs
import { open } from 'nvmem';
import { VirtualBench } from 'nvmem/rig';

const image = Buffer.from(Array.from({ length: 32768 }, (_, i) => (i * 7) & 0xff));
const bench = await VirtualBench.start({
  devices: [{ eeproms: [{ address: 0x50, chip: '24c256', image }] }],
});
const bridge = bench.device('1-1');
const uri = `usbip://127.0.0.1:${bench.port}/1-1/0x50?chip=24c256&speed=400000`;

const eeprom = await open(uri);
eeprom.once('removed', ({ cause, reason }) => console.log(`removed (${cause}): ${reason}`));

bridge.faults.add({ kind: 'unplug', on: 'wire', n: 10_000 });
let good = Buffer.alloc(0);
try {
  await eeprom.read(0, eeprom.size);
} catch (error) {
  if (error.code !== 'ENODEV') throw error;
  good = error.partial;
  console.log(error.message);
}
await eeprom.close();

bridge.plug();
const again = await open(uri);
const rest = await again.read(good.length, again.size - good.length);
console.log('whole and right:', Buffer.concat([good, rest]).equals(image));

await again.close();
await bench.close();
