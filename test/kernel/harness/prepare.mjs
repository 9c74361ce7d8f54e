// prepare.mjs CACHE [--refresh]: installs and fetches what a boot needs and prints where it is, as JSON.
// A program of its own so that one `flock` covers all of it.
import { fetchKernel } from './kernel.mjs';
import { makeInitrd } from './initrd.mjs';
import { installMissing } from './packages.mjs';
import { NotRun } from './process.mjs';

const [cache, option] = process.argv.slice(2);
const say = (line) => process.stderr.write(`${line}\n`);
try {
  await installMissing(cache, say);
  const kernel = await fetchKernel(cache, { refresh: option === '--refresh', say });
  const initrd = await makeInitrd(cache, kernel);
  process.stdout.write(`${JSON.stringify({ kernel, initrd })}\n`);
} catch (error) {
  say(error.message);
  process.exitCode = error instanceof NotRun ? 77 : 1;
}
