#!/usr/bin/env node
import { SignalReceived } from './io.js';
import { runCli } from './program.js';

const controller = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    const received = new SignalReceived(name);
    // A second one does not wait for the device to be let go of.
    if (controller.signal.aborted) process.exit(received.exitStatus);
    controller.abort(received);
  });
}
// A reader that has seen enough (head) closes the pipe: that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const { stdin, stdout, stderr } = process;
// The last net: nothing is left that could ever end the command, and it has not said how it went.
const unfinished = (): void => {
  stderr.write(
    'nvmem: internal error: the command stopped before it was done; nothing it says is complete\n',
  );
  process.exitCode = 1;
};
process.on('beforeExit', unfinished);
void runCli(process.argv.slice(2), { stdin, stdout, stderr, signal: controller.signal }).then((status) => {
  process.off('beforeExit', unfinished);
  // Not exit(): what is still in the pipes is to arrive, and the process ends by itself because nothing is left open.
  process.exitCode = status;
});
