// A write to a part whose WP pin hangs on GPIO 0 of the bridge. Without wp=0 the part acknowledges the write and drops
// it, and reading back finds out; with wp=0 the line is lowered for the write and raised again.
//
//     node examples/write-protected.mjs
import { open } from 'nvmem';
import { VirtualBench } from 'nvmem/rig';

const bench = await VirtualBench.start({
  devices: [{ eeproms: [{ address: 0x50, chip: '24c02', wp: 0 }] }],
});
const uri = `usbip://127.0.0.1:${bench.port}/1-1/0x50?chip=24c02`;
const text = Buffer.from('Hello, EEPROM!');

const unaware = await open(uri);
try {
  await unaware.write(0, text);
} catch (error) {
  console.log(`${error.message}\n  ${error.hint}`);
}
await unaware.close();

const eeprom = await open(`${uri}&wp=0`);
const { bytesWritten, protectError } = await eeprom.write(0, text);
console.log(`${bytesWritten} bytes written; protected again: ${protectError === undefined}`);
console.log((await eeprom.read(0, text.length)).toString());
await eeprom.close();

await bench.close();
