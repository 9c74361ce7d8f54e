/** The command line: options in, an exit status out. */
import { readFileSync } from 'node:fs';

import { Command, CommanderError, InvalidArgumentError } from 'commander';

import { inPackage } from '../base/package.js';
import { jsonLine, visible } from '../base/visible.js';
import type { RecoverCommandOptions } from './recover.js';
import type { RigOptions } from './rig.js';
import type { DoctorCommandOptions } from './doctor.js';
import { CliError, CommandFailure, describeFailure, withoutUndefined } from './failure.js';
import { SignalReceived, type CliIo } from './io.js';
import { Output } from './output.js';
import { eraseCommand, type EraseCommandOptions } from './erase.js';
import { infoCommand } from './info.js';
import type { ListCommandOptions } from './list.js';
import type { LockCommandOptions } from './lock.js';
import { readCommand, type ReadCommandOptions } from './read.js';
import type { ScanCommandOptions } from './scan.js';
import { Session, type CommonOptions } from './session.js';
import { wrap } from './table.js';
import { verifyCommand, type VerifyCommandOptions } from './verify.js';
import type { TortureCommandOptions } from './torture.js';
import type { WatchCommandOptions } from './watch.js';
import { writeCommand, type WriteCommandOptions } from './write.js';

const URI_HELP = `
URI:
  cp2112://[BRIDGE]/0xADDR?chip=NAME           an EEPROM behind a CP2112; BRIDGE: serial number or place
  hidraw:///dev/hidrawN/0xADDR?chip=NAME       … that the kernel's driver keeps
  i2c:///dev/i2c-N/0xADDR?chip=NAME            an EEPROM on an I2C adapter of the kernel
  usbip://HOST[:PORT]/BUSID/0xADDR?chip=NAME   … behind a CP2112 that a USB/IP server exports
      wp=N  GPIO of the bridge on the WP pin       speed=HZ  I2C clock (100000)
      wp=CHIP:LINE  line of a Linux gpiochip       force=1   also beside a driver of the kernel
      wp=!…  a line that protects when it is low   twr=MS    longest write cycle
      size= page= addressWidth=8|16                what the chip's name does not tell
  sysfs://NAME    a device of the kernel's own nvmem subsystem
  file:///PATH    an image file
  mem://SIZE      volatile memory

Exit status: 0 fine, 1 other failure, 2 usage, 3 device gone or not there, 4 not permitted,
             5 verify mismatch, 6 timeout or busy, 128+N ended by signal N (Ctrl-C: 130)
`;

/** What a command speaks through. */
interface Console {
  readonly io: CliIo;
  readonly out: Output;
  readonly err: Output;
  readonly json: boolean;
}

/** Runs one command. Everything, failures included, is on the streams when it resolves, and the device is closed. */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const [out, err] = [new Output(io.stdout, io.signal), new Output(io.stderr, io.signal)];
  const end = argv.indexOf('--');
  const json = argv.slice(0, end < 0 ? undefined : end).includes('--json');
  const console = { io, out, err, json };
  let status = 0;
  const program = makeProgram(console, (code) => {
    status = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    status = await report(error, console);
  }
  await Promise.all([out.settled(), err.settled()]);
  return afterOutput(status, console);
}

/** The status is the command's own; where that is 0 and nobody got its output, it has failed all the same. */
async function afterOutput(status: number, { out, err }: Console): Promise<number> {
  const { failure } = out;
  if (failure === undefined) return status;
  const why = failure.code === 'ENOSPC' ? 'the disk is full' : failure.message;
  await tell(err, [`nvmem: cannot write to standard output: ${why}`]);
  return status === 0 ? 1 : status;
}

function makeProgram({ io, out, err, json }: Console, exit: (status: number) => void): Command {
  const program = new Command('nvmem')
    .description(
      'Read and write EEPROMs behind a CP2112 USB bridge; unplugging in the middle is an ordinary event.',
    )
    .version(version())
    .enablePositionalOptions() // "rig --version 2" is the silicon, not ours
    .option('--json', 'one JSON document on standard output; also after the command')
    .option('--timeout <ms>', 'give up after that many milliseconds; also after the command', number(1))
    .addHelpText('after', URI_HELP)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        out.push(text);
      },
      // With --json a usage error is the JSON document that report() prints.
      writeErr: (text) => {
        if (!json) err.push(text.split('\n').map(visible).join('\n'));
      },
    })
    .showHelpAfterError('(nvmem --help shows the commands, nvmem COMMAND --help their options)');

  const command = (name: string, description: string): Command =>
    program.command(name).description(description).option('--json', 'one JSON document on standard output');
  const onDevice = (name: string, description: string): Command =>
    command(name, description)
      .argument('<uri>', 'device, see nvmem --help')
      .option('--timeout <ms>', 'give up after that many milliseconds', number(1));
  const waits = (it: Command): Command =>
    it.option('--wait', 'wait until it is plugged in, and go on after an unplug; --timeout bounds all of it');
  const withInput = (it: Command): Command =>
    it
      .argument('[file]', "image, '-' for standard input")
      .option('--hex <bytes>', "these bytes instead of a file: 'de ad be ef'")
      .option('--text <string>', 'this text instead of a file, as UTF-8, without a line end')
      .option('--raw', 'take the file as it is, even if it is Intel HEX, S-records or a hex dump');
  const run = async (options: CommonOptions, body: (session: Session) => Promise<void>): Promise<void> => {
    const session = new Session(io, out, err, { ...common(program), ...options });
    await body(session);
    await session.finish();
  };

  command('list', 'show bridges, I2C adapters and nvmem devices, as URIs')
    .option('--usbip <host[:port]>', 'also what a USB/IP server exports')
    .option('--timeout <ms>', 'give up after that many milliseconds', number(1))
    .action((options: ListCommandOptions & CommonOptions) =>
      run(options, async (session) => {
        const { listCommand } = await import('./list.js');
        await listCommand(session, options);
      }),
    );
  command('scan', 'ask an I2C bus which EEPROMs it has; nothing is written')
    .argument(
      '<uri>',
      'a bus: cp2112://BRIDGE, hidraw:///dev/hidrawN, i2c:///dev/i2c-N or usbip://HOST/BUSID',
    )
    .option(
      '--all',
      'other addresses than those of EEPROMs as well: to other kinds of parts a read is a command',
    )
    .option('--timeout <ms>', 'give up after that many milliseconds', number(1))
    .action((uri: string, options: ScanCommandOptions & CommonOptions) =>
      run(options, async (session) => {
        const { scanCommand } = await import('./scan.js');
        await scanCommand(session, uri, options);
      }),
    );
  waits(onDevice('read', 'dump the device: to a file, as hex on a terminal, raw into a pipe'))
    .option('-o, --output <file>', 'file to write; it appears only when the dump is complete')
    .option('--offset <bytes>', 'where to begin', number(0))
    .option('--length <bytes>', 'how much', number(1))
    .option('--hex', 'as a hex dump (as of xxd) also into a pipe or a file')
    .action((uri: string, options: ReadCommandOptions & CommonOptions) =>
      run(options, (session) => readCommand(session, uri, options)),
    );
  waits(withInput(onDevice('write', 'write a file, or a few bytes, to the device, and read it back')))
    .option('--offset <bytes>', 'where to begin', number(0))
    .option('--no-verify', 'do not read back')
    .option('--skip-equal', 'read first, and write only the pages that differ')
    .option('--journal <file>', 'keep old and new content there until it is done, for nvmem recover')
    .option('--force-geometry', 'write even where the part looks like another one than chip= names')
    .action((uri: string, file: string | undefined, options: WriteCommandOptions & CommonOptions) =>
      run(options, (session) => writeCommand(session, uri, file, options)),
    );
  onDevice('erase', 'fill the device with 0xff; pages that are blank already are left alone')
    .option('--offset <bytes>', 'where to begin', number(0))
    .option('--length <bytes>', 'how much', number(1))
    .option('--yes', 'all of it, without asking')
    .option('--no-verify', 'do not read back')
    .option('--force-geometry', 'write even where the part looks like another one than chip= names')
    .action((uri: string, options: EraseCommandOptions & CommonOptions) =>
      run(options, (session) => eraseCommand(session, uri, options)),
    );
  onDevice('lock', 'make the lockable page of a part read-only for ever; asks first')
    .option('--yes', 'do not ask')
    .option('--status', 'only say whether it is locked')
    .action((uri: string, options: LockCommandOptions & CommonOptions) =>
      run(options, async (session) => {
        const { lockCommand } = await import('./lock.js');
        await lockCommand(session, uri, options);
      }),
    );
  waits(withInput(onDevice('verify', 'compare the device with a file; exit status 5 where they differ')))
    .option('--offset <bytes>', 'where to begin in the device', number(0))
    .action((uri: string, file: string | undefined, options: VerifyCommandOptions & CommonOptions) =>
      run(options, (session) => verifyCommand(session, uri, file, options)),
    );
  onDevice('info', 'say what is behind a URI').action((uri: string, options: CommonOptions) =>
    run(options, (session) => infoCommand(session, uri)),
  );
  command(
    'watch',
    'show what comes and goes: bridges, adapters, nvmem devices, and what URIs name; until Ctrl-C',
  )
    .argument('[uri...]', 'a bus, which is only looked at, or a device, which is opened while it is there')
    .option('--usbip <host[:port]>', 'also what a USB/IP server exports')
    .option('--timeout <ms>', 'end after that many milliseconds', number(1))
    .action((uris: string[], options: WatchCommandOptions & CommonOptions) =>
      run(options, async (session) => {
        const { watchCommand } = await import('./watch.js');
        await watchCommand(session, uris, options);
      }),
    );
  command('recover', 'finish a write that was cut off, or undo it, from its journal')
    .argument('<file>', 'the journal')
    .argument('<uri>', 'the memory it is of, see nvmem --help')
    .option('--back', 'put the old content back instead')
    .option('--torn', 'the part lost its power: one page may hold neither the old nor the new content')
    .option('--moved', 'the memory is reached by another URI than then')
    .option('--timeout <ms>', 'give up after that many milliseconds', number(1))
    .action((file: string, uri: string, options: RecoverCommandOptions & CommonOptions) =>
      run(options, async (session) => {
        const { recoverCommand } = await import('./recover.js');
        await recoverCommand(session, file, uri, options);
      }),
    );
  command('doctor', 'look for what stands in the way: permissions, drivers, other users')
    .argument('[uri]', 'a device to look at as well')
    .option('--print-udev', 'print the udev rule that lets users open bridges, and nothing else')
    .option('--id <vid:pid>', "with --print-udev: for a bridge with an OEM's ids")
    .option('--timeout <ms>', 'give up after that many milliseconds', number(1))
    .action((uri: string | undefined, options: DoctorCommandOptions & CommonOptions) =>
      run(options, async (session) => {
        const { doctorCommand } = await import('./doctor.js');
        await doctorCommand(session, uri, options);
      }),
    );
  command('demo', 'read, unplug, replug and write on a virtual bench of its own').action(
    (options: CommonOptions) =>
      run(options, async (session) => {
        const { demoCommand } = await import('./demo.js');
        await demoCommand(session);
      }),
  );
  command(
    'torture',
    'pull the plug again and again while threads read and write, and prove that nothing is lost',
  )
    .argument('[uri...]', 'devices; with --bench also bench:BUSID/0xADDR?chip=NAME')
    .option('--bench', 'on a virtual bench of its own: no hardware, no root')
    .option('--cycles <n>', 'how often (200)', number(1))
    .option('--duration <time>', 'how long: 90s, 15m, 8h')
    .option('--seed <n>', 'the same seed, the same plan', number(0))
    .option('--workers <n>', 'threads that share the devices (4)', number(1))
    .option('--mix <weights>', 'read=4,write=2,cell=1,wp=1,verify=1,scan=0')
    .option('--region <a-b>', 'bytes A to B, both included, may be overwritten')
    .option('--allow-writes', 'without it, and --region, nothing is written to a real device')
    .option('--when <words>', 'random, idle, mid-read, mid-write, mid-cell, storm, every-byte')
    .option(
      '--power <who>',
      "who pulls: bench, usb-authorized, usb-unbind, driver-unbind, uhubctl[:HUB,PORT], usbip-detach:HOST/BUSID, command:'CMD {off|on}', manual",
    )
    .option('--prepare <command>', 'done after each power on, before the devices are opened')
    .option('--settle <ms>', 'how long the power is off', number(0))
    .option('--max-recovery <ms>', 'a return that takes longer is a violation', number(1))
    .option('--max-rejection <ms>', 'an answer that comes later after the unplug is one (1000)', number(1))
    .option('--keep-going', 'go on after a violation')
    .option('--report <file>', 'a page with everything that was found: one HTML file that needs no network')
    .option(
      '--serve [addr:port]',
      'the same page while the run goes on, for a browser (127.0.0.1, a free port)',
    )
    .option('--log <file>', 'every event, as lines of JSON')
    .option('--replay <file>', 'play again what has failed')
    .option('--save-replay <file>', 'where that is written after a violation (nvmem-torture-replay.json)')
    .option('--eeprom <spec>', 'a part of the bench, as of nvmem rig; repeatable', collect)
    .option('--fault <spec>', 'something broken on the bench, as of nvmem rig; repeatable', collect)
    .option('--time <mode>', 'of the bench: real, wire and USB take their time, or off (default)')
    .action((uris: string[], options: TortureCommandOptions & CommonOptions) =>
      run(options, async (session) => {
        const { tortureCommand } = await import('./torture.js');
        await tortureCommand(session, uris, options);
      }),
    );
  command('rig', 'run a virtual bench (CP2112 with EEPROMs, exported over USB/IP) until Ctrl-C')
    .option('--port <port>', 'TCP port, 0 for a free one', '3240')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--eeprom <spec>', 'ADDRESS:CHIP[:wp=GPIO][:image=FILE]…, repeatable', collect)
    .option('--fault <spec>', 'a fault to begin with, repeatable', collect)
    .option('--scenario <file>', 'YAML: what there is and what happens when, instead of the options for that')
    .option('--version <n>', 'silicon version of the bridge: 1, 2 or 3')
    .option('--time <mode>', 'real: wire and USB take their time; off: they do not')
    .option('--serial <text>', 'serial number of the bridge')
    .option('--id <vid:pid>', "an OEM's vendor and product ids")
    .option('--product <text>', 'product string of the bridge')
    .option('--control <port>', 'port for control commands, 0 for a free one')
    .action(async (options: RigOptions) => {
      const { runRig } = await import('./rig.js');
      const to = (output: Output): { write(text: string): void } => ({
        write: (text) => {
          output.push(text);
        },
      });
      exit(
        await runRig(
          { ...common(program), ...options },
          { stdout: to(out), stderr: to(err), signal: io.signal },
        ),
      );
    });
  return program;
}

function version(): string {
  const manifest = readFileSync(inPackage('package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** An option's whole number, decimal or 0x…, of at least `low`. */
function number(low: number): (text: string) => number {
  return (text) => {
    const value = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : NaN;
    if (Number.isSafeInteger(value) && value >= low) return value;
    throw new InvalidArgumentError(`It must be a whole number of at least ${String(low)}, decimal or 0x….`);
  };
}

function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** Options that may stand before the command as well. */
function common(program: Command): CommonOptions {
  return withoutUndefined({ ...program.opts() });
}

/** Says what went wrong, once, and gives the exit status. */
async function report(error: unknown, console: Console): Promise<number> {
  const { io, out, err, json } = console;
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    if (json) {
      const message = error.message.replace(/^error: /, '');
      const usage = new CliError('ERR_USAGE', message, 'nvmem COMMAND --help shows the options.', 2);
      await tellJson(out, { ok: false, error: describeFailure(usage).json });
    }
    return 2;
  }
  const failure = error instanceof CommandFailure ? error : new CommandFailure(error, {});
  const { status, message, hint, json: details } = describeFailure(failure.cause);
  if (json) await tellJson(out, withoutUndefined({ ok: false, error: details, ...failure.facts }));
  // Where nobody could be given the document, somebody may still read this.
  if (!json || out.failure !== undefined) await tell(err, [`nvmem: ${message}`, ...failure.notes, hint]);
  const { reason } = io.signal as { reason?: unknown };
  return details['code'] === 'ABORT_ERR' && reason instanceof SignalReceived ? reason.exitStatus : status;
}

async function tellJson(out: Output, document: Record<string, unknown>): Promise<void> {
  await out.write(`${jsonLine(document)}\n`).catch(() => undefined);
}

/** The first line as it is, the others indented; on a terminal broken between words. What follows a line feed is to be pasted. */
async function tell(err: Output, texts: readonly string[]): Promise<void> {
  const width = err.columns > 0 ? Math.max(Math.min(err.columns, 120), 40) : Infinity;
  const lines = texts.flatMap((text, i) => {
    const [first = '', ...more] = text.split('\n').map(visible);
    const indent = i === 0 ? '' : '  ';
    const wrapped = width === Infinity ? [first] : wrap(first, width - 2);
    return [
      ...wrapped.map((line, n) => `${n === 0 ? indent : '  '}${line}`),
      ...more.map((line) => `${indent}${line}`),
    ];
  });
  await err.write(`${lines.join('\n')}\n`).catch(() => undefined);
}
