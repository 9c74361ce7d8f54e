// client.mjs CLI: a program that uses this package, in a process of its own. Takes one JSON request a line on standard
// input and answers each with a line: what a check wants to survive, or to kill, does not run in the check.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const { open, watchBridges } = createRequire(import.meta.url)(join(dirname(process.argv[2]), '../index.js'));
const devices = new Map();
let watched;

const commands = {
  async open({ uri, options }) {
    const device = await open(uri, options);
    devices.set(uri, device);
    return { name: device.name, identity: device.identity };
  },
  async read({ uri }) {
    const device = devices.get(uri);
    return { data: (await device.read(0, device.size)).toString('base64') };
  },
  async write({ uri, offset, data }) {
    await devices.get(uri).write(offset, Buffer.from(data, 'base64'), { verify: true });
    return {};
  },
  /** Resolves once the device has gone, by whatever way this process hears of it. */
  async gone({ uri }) {
    const device = devices.get(uri);
    if (device.alive) await new Promise((done) => device.once('removed', done));
    return {};
  },
  async close({ uri }) {
    await devices.get(uri).close();
    devices.delete(uri);
    return {};
  },
  /** Begins to follow the bridges; not by the clock. */
  watch() {
    watched = watchBridges({ everyMs: 1e6 })[Symbol.asyncIterator]();
    return {};
  },
  /** The next bridge that comes or goes. */
  async next() {
    const { value } = await watched.next();
    return { event: value.event, path: value.bridge.path };
  },
  become({ uid }) {
    process.setgroups([]);
    process.setgid(uid);
    process.setuid(uid);
    return {};
  },
  /** Ends with the devices open. */
  end({ how }) {
    if (how === 'exit') process.exit(0);
    if (how === 'throw')
      setImmediate(() => {
        throw new Error('as asked');
      });
    // An open device keeps its program from ending, as a socket does.
    else for (const device of devices.values()) device.unref();
    input.close();
    process.stdin.destroy();
    return {};
  },
};

function plain(error) {
  const { code, message, hint, partial, bytesTransferred, committed, uncertain, untouched } = error;
  const good = partial?.toString('base64');
  return { code, message, hint, partial: good, bytesTransferred, committed, uncertain, untouched };
}

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const request = JSON.parse(line);
  const started = performance.now();
  const answer = (fields) => {
    process.stdout.write(`${JSON.stringify({ ms: performance.now() - started, ...fields })}\n`);
  };
  Promise.resolve(request)
    .then(commands[request.cmd])
    .then(answer, (error) => answer({ error: plain(error) }));
});
