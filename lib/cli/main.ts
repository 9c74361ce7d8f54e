#!/usr/bin/env node
import { SignalReceived } from './io.js';
import { reliable } from './output.js';
import { runCli } from './program.js';
import { ENDING_SIGNALS, onSignals, stopGateOfProcess } from './signals.js';

/**
 * What comes this soon after the first signal is the same one: timeout(1), npx and a closing terminal send it to the process
 * and to its group.
 */
const SAME_MS = 500;
/** How long a reader that does not read may hold up the end of a process that a signal ended. */
const DRAIN_MS = 1000;

const controller = new AbortController();
let firstAt = 0;
onSignals(ENDING_SIGNALS, (name) => {
  const received = new SignalReceived(name);
  if (!controller.signal.aborted) {
    firstAt = performance.now();
    controller.abort(received);
  } else if (performance.now() - firstAt > SAME_MS) {
    // A second one does not wait for the device to be let go of. The addon raises write protect even so.
    process.exit(received.exitStatus);
  }
});

const stderr = reliable(2, process.stderr);
// The last net: nothing is left that could ever end the command, and it has not said how it went.
const unfinished = (): void => {
  stderr.write(
    'nvmem: internal error: the command stopped before it was done; nothing it says is complete\n',
  );
  process.exitCode = 1;
};
process.on('beforeExit', unfinished);
void runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: reliable(1, process.stdout),
  stderr,
  signal: controller.signal,
  stops: stopGateOfProcess(),
}).then((status) => {
  process.off('beforeExit', unfinished);
  // Not exit(): what is still in the pipes is to arrive, and the process ends by itself because nothing is left open.
  process.exitCode = status;
  if (controller.signal.aborted) setTimeout(() => process.exit(), DRAIN_MS).unref();
});
