// A device and a cell of it, on volatile memory: no hardware, no bench.
//
//     node examples/read-memory.mjs
import { open } from 'nvmem';

const eeprom = await open('mem://256', {
  name: 'settings',
  cells: [
    { name: 'mac', offset: 0x10, bytes: 6 },
    // Three bits that straddle two bytes; their neighbours survive a write.
    { name: 'mode', offset: 0x20, bitOffset: 6, nbits: 3 },
  ],
});

await eeprom.write(0x10, Buffer.from('0200c0ffee01', 'hex'));
await eeprom.cell('mode').write(Uint8Array.of(5));

console.log(`${eeprom.name}: ${eeprom.size} bytes`);
console.log('mac ', (await eeprom.cell('mac').read()).toString('hex'));
console.log('mode', (await eeprom.cell('mode').read())[0]);
console.log('0x20', (await eeprom.read(0x20, 2)).toString('hex'));

await eeprom.close();
