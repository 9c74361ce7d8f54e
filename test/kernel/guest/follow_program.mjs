// follow_program.mjs CLI URI: follows a memory, as an unprivileged user where NVMEM_UID says so. Takes one JSON request a line
// on standard input and answers each with a line; each change of state, and each failure to open, is a line as well.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const [cli, uri] = process.argv.slice(2);
const { follow } = createRequire(import.meta.url)(join(dirname(cli), '../index.js'));
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

if (process.env.NVMEM_UID !== undefined) {
  const uid = Number(process.env.NVMEM_UID);
  process.setgroups([]);
  process.setgid(uid);
  process.setuid(uid);
}
const board = follow(uri, { onUnplug: 'wait' });
for (const state of ['absent', 'present', 'replaced', 'closed']) board.on(state, () => say({ state }));
board.on('error', ({ code, message }) => say({ trouble: code, message }));

const commands = {
  async present() {
    await board.present();
    return { size: board.size };
  },
  async read() {
    return { data: (await board.read(0, board.size)).toString('base64') };
  },
  async write({ offset, data }) {
    await board.write(offset, Buffer.from(data, 'base64'));
    return {};
  },
  stats: () => board.stats,
  async close() {
    await board.close();
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { cmd, ...args } = JSON.parse(line);
  try {
    say({ answer: await commands[cmd](args) });
  } catch (error) {
    const { code, message } = error;
    say({ error: { code, message } });
  }
}
