// gpiochip_program.mjs CLI URI HOW: writes a part for ever. Says so at the first page, and ends there where HOW is "exit".
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { writeSync } from 'node:fs';

const [cli, uri, how] = process.argv.slice(2);
const { open } = createRequire(import.meta.url)(join(dirname(cli), '../index.js'));
const device = await open(uri, { openTimeoutMs: 20_000 });
let said = false;
for (let value = 0; ; value = (value + 1) % 256) {
  await device.write(0, Buffer.alloc(device.size, value), {
    verify: false,
    onProgress() {
      if (said) return;
      said = true;
      writeSync(1, 'writing\n');
      if (how === 'exit') process.exit(0);
    },
  });
}
