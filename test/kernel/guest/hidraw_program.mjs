// hidraw_program.mjs LIBRARY share|hold URI IMAGE [MILLISECONDS]: a program that uses the package; hidraw.mjs runs it.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [library, what, uri, imageFile, milliseconds] = process.argv.slice(2);
const { nvmem, open } = (await import(pathToFileURL(library))).default;
const image = readFileSync(imageFile);
const device = await open(uri);
const say = (line) => process.stdout.write(`${line}\n`);

if (what === 'share') {
  // Among them the lengths that at24 reads in.
  const lengths = [1, 16, 64, 128, 512, 1000];
  const counts = { good: 0, failed: 0, wrong: 0, codes: {} };
  const end = performance.now() + Number(milliseconds);
  for (let turn = 0; performance.now() < end; turn++) {
    const length = lengths[turn % lengths.length];
    const offset = (turn * 509) % (image.length - length);
    try {
      const data = await device.read(offset, length, { timeoutMs: 3000 });
      if (image.subarray(offset, offset + length).equals(data)) counts.good++;
      else counts.wrong++;
    } catch (error) {
      counts.failed++;
      counts.codes[error.code] = (counts.codes[error.code] ?? 0) + 1;
      const { partial } = error;
      if (partial !== undefined && !image.subarray(offset, offset + partial.length).equals(partial))
        counts.wrong++;
    }
  }
  say(JSON.stringify(counts));
  await device.close();
} else {
  nvmem.once('removed', async ({ name }) => {
    say(`removed ${name}`);
    await device.read(0, 1).catch(({ code }) => say(`read: ${code}`));
  });
  say('open');
  process.stdin.resume();
}
