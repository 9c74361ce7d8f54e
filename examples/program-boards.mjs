// Programs one board after another: waits for a plug, writes and verifies the image, gives the board its serial number, prints a
// line for the label printer, waits for the unplug, and so on.
//
//     node examples/program-boards.mjs URI IMAGE [FIRST-NUMBER [COUNT]]
//
// The serial number is eight digits at the end of the memory. A board that is pulled too early gets no label, and its number goes
// to the next one. Standard output is for the label printer alone.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { follow } from 'nvmem';

const [uri, file, first = '1', count = 'Infinity'] = process.argv.slice(2);
if (uri === undefined || file === undefined) {
  console.error('usage: program-boards.mjs URI IMAGE [FIRST-NUMBER [COUNT]]');
  process.exit(2);
}
const image = await readFile(file);

// Every board is another memory, and that is meant: whatever the bridge leads to is the one.
const board = follow(uri, { identity: 'bridge' });
board.on('error', (error) => console.error(`${error.message}\n  ${error.hint}`));
const serialOffset = board.size - 8;
if (image.length > serialOffset) {
  console.error(`${file} leaves no room for the serial number: it may have ${serialOffset} bytes`);
  process.exit(2);
}

let number = Number(first);
for (let done = 0; done < Number(count);) {
  console.error('plug in the next board');
  await board.present();
  const serial = String(number).padStart(8, '0');
  try {
    await board.write(0, image, { skipEqual: true });
    await board.write(serialOffset, Buffer.from(serial, 'ascii'));
    console.log(`SN ${serial}`);
    number++;
    done++;
    console.error(`board ${serial} is done: pull it`);
  } catch (error) {
    console.error(`no label: ${error.message}\n  ${error.hint}`);
  }
  if (board.state === 'present') await once(board, 'absent');
}
await board.close();
