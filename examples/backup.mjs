// Copies a memory into a file. It may be unplugged meanwhile, as often as it likes: the copy goes on at the first byte that is
// missing, once it is proved that it is the same memory.
//
//     node examples/backup.mjs URI FILE
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { follow } from 'nvmem';

const [uri, file] = process.argv.slice(2);
if (uri === undefined || file === undefined) {
  console.error('usage: backup.mjs URI FILE');
  process.exit(2);
}

const board = follow(uri, { onUnplug: 'wait' });
board.on('error', (error) => console.error(`${error.message}\n  ${error.hint}`));
board.on('absent', ({ reason }) => console.error(`waiting for it: ${reason}`));

// Under another name until it is whole.
const part = `${file}.part`;
try {
  await board.present();
  await pipeline(board.readStream(), createWriteStream(part));
  await rename(part, file);
  const { unplugs } = board.stats;
  console.log(`${board.size} bytes into ${file}, over ${unplugs} unplugs`);
} catch (error) {
  await rm(part, { force: true });
  console.error(`${error.message}\n  ${error.hint ?? ''}`);
  process.exitCode = 1;
} finally {
  await board.close();
}
