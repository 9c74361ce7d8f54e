// presence_program.mjs CLI HINTS URI…: follows what the URIs name and prints each change as a line of JSON, as an
// unprivileged user where NVMEM_UID says so. HINTS is what may say when to look: 'kernel' (messages of the kernel),
// 'folders', 'both', 'clock' or 'all'. With the first three the clock is out of the way: what is told was hinted at.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const [cli, kind, ...uris] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const load = (file) => require(join(dirname(cli), '..', file));
const { native } = load('native/index.js');
const { realClock } = load('hotplug/clock.js');
const { Presence, Watchers } = load('hotplug/presence.js');
const { targetOf } = load('hotplug/target.js');
const { thisMachine } = load('machine/machine.js');

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
native();
if (process.env.NVMEM_UID !== undefined) {
  const uid = Number(process.env.NVMEM_UID);
  process.setgroups([]);
  process.setgid(uid);
  process.setuid(uid);
}

/** A second look 50 ms after a hint belongs to it: the kernel tells of a removal before it is done with it. */
const LONGEST_MS = 50;
let second = 0;
let noneLeft = () => {};
/** As realClock.after(); a second look that is still to come is counted. */
const after = (ms, call) => {
  second++;
  let isOver = false;
  const over = () => {
    if (!isOver && --second === 0) noneLeft();
    isOver = true;
  };
  const cancel = realClock.after(ms, () => {
    call();
    over();
  });
  return () => {
    cancel();
    over();
  };
};
const clock =
  kind === 'clock' || kind === 'all'
    ? realClock
    : { ...realClock, after: (ms, call) => (ms > LONGEST_MS ? () => {} : after(ms, call)) };
let hears = false;
const watchers = new Watchers(clock, thisMachine, (look) => {
  if (kind === 'clock') return { watchFolder: () => {}, stop: () => {} };
  const lookout = native().lookout(look, { uevents: kind !== 'folders' });
  hears = lookout.hearsKernel;
  return {
    watchFolder: (path) => void (kind === 'kernel' || lookout.watchFolder(path)),
    stop: () => lookout.stop(),
  };
});
const followed = uris.map((uri) => new Presence(targetOf(uri), {}, watchers));
for (const each of followed)
  each.on('change', ({ present, cause, reason, place }) =>
    say({ uri: each.uri, present, cause, reason, place }),
  );
await followed[0].look();
// One that belongs to the beginning is no hint of what comes.
while (second > 0) await new Promise((resolve) => (noneLeft = resolve));
say({ ready: true, hears });
