import { readFileSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import { jsonLine, visible } from '../base/visible.js';
import { VirtualBench, type BenchOptions } from '../rig/bench.js';
import { summary } from '../rig/commands.js';
import { startControl, type ControlPort } from '../rig/control.js';
import { parseUsbIds, type UsbIds } from '../base/usb_ids.js';
import { codeOf, messageOf, portOf } from '../rig/problem.js';
import type { SiliconVersion } from '../rig/setup.js';
import type { TimeMode } from '../rig/setup.js';
import { parseFault } from '../rig/fault_text.js';
import { groupByBridge, parseEepromSpec, type EepromSpec } from '../rig/spec.js';
import { SpecError } from '../rig/text.js';
import { writeWhole } from './files.js';
import { SignalReceived } from './io.js';
import { readScenario, type RigStep } from './rig_scenario.js';
import { ENDING_SIGNALS, onSignals } from './signals.js';
import { SNIFF_BYTES, textFormatOf } from './text_formats.js';

/** The options of `nvmem rig`, as a command line parser leaves them: text, or already the number. */
export interface RigOptions {
  /** Default 3240; 0: a free port. */
  readonly port?: string | number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** `--eeprom`, as often as there are parts. Default: one 24c02 at 0x50. */
  readonly eeprom?: readonly string[];
  /** A YAML file that says what there is and what happens to it; instead of the options for that. */
  readonly scenario?: string;
  /** `--fault`, armed on the first bridge before anybody attaches. */
  readonly fault?: readonly string[];
  readonly version?: string | number;
  readonly time?: string;
  readonly serial?: string;
  /** Vendor and product of an OEM: VVVV:PPPP. */
  readonly id?: string;
  readonly product?: string;
  /** Port of the control connection; 0: a free port. Default: none. */
  readonly control?: string | number;
  readonly json?: boolean;
}

/** Where the command writes, and what may end it besides a signal. */
export interface RigIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  readonly signal?: AbortSignal;
}

const EXIT = { fine: 0, failure: 1, usage: 2, notPermitted: 4, busy: 6 } as const;

/** Signals that are the ordinary way to end a bench. */
const ASKED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/**
 * `nvmem rig`: runs a bench in the foreground until a signal, `quit` on the control port, or `io.signal`.
 * @returns the exit status: 0 ended as asked (SIGINT and SIGTERM among it), 128 and the number of any other signal; 2 the
 *   options make no sense, 4 the port is not allowed, 6 it is in use
 */
export async function runRig(options: RigOptions, io: RigIo): Promise<number> {
  const ending = new AbortController();
  const end = (): void => {
    ending.abort();
  };
  let bench: VirtualBench | undefined;
  let control: ControlPort | undefined;
  try {
    const scenario =
      options.scenario === undefined ? undefined : await readScenario(options.scenario, options);
    const specs = scenario?.specs ?? (options.eeprom ?? ['0x50:24c02']).map(parseEepromSpec);
    for (const { imageFile } of specs) if (imageFile !== undefined) checkImage(imageFile);
    const host = options.host ?? '127.0.0.1';
    const controlPort = options.control === undefined ? undefined : portNumber('--control', options.control);
    bench = await VirtualBench.start({
      host,
      port: portNumber('--port', options.port ?? 3240),
      ...(scenario?.bench ?? plainBench(specs, options)),
    });
    for (const text of options.fault ?? []) bench.devices[0]?.faults.add(parseFault(text));
    if (controlPort !== undefined) {
      const files = specs.flatMap(({ imageFile, saveFile }) => [imageFile, saveFile]);
      const named = files.filter((file) => file !== undefined);
      control = await startControl(bench, controlPort, end, { files: named });
    }
    announce(bench, specs, control, options, io);
    warnOfVisitors(bench, control, io);
    const over = scenario?.start(bench, end, (step) => {
      tellStep(step, options, io);
    });
    over?.catch(end);
    const signal = await ended(ending, io.signal);
    await save(bench, specs);
    // Of a scenario that could not go on to its end; one that is still on its way is left.
    await Promise.race([over, Promise.resolve()]);
    return signal === undefined || ASKED.includes(signal) ? EXIT.fine : new SignalReceived(signal).exitStatus;
  } catch (error) {
    return complain(error, options, io);
  } finally {
    await control?.close();
    await bench?.close();
  }
}

function plainBench(specs: readonly EepromSpec[], options: RigOptions): BenchOptions {
  return {
    time: timeMode(options.time),
    devices: groupByBridge(specs, {
      ...(options.serial === undefined ? {} : { serial: options.serial }),
      ...(options.id === undefined ? {} : usbIds(options.id)),
      ...(options.product === undefined ? {} : { product: options.product }),
      version: siliconVersion(options.version),
    }),
  };
}

/** A line for every step that was taken, and one when there is none left. */
function tellStep(step: RigStep | undefined, { json }: RigOptions, io: RigIo): void {
  if (json) {
    io.stdout.write(`${jsonLine(step ? { event: 'step', ...step } : { event: 'done' })}\n`);
    return;
  }
  const line = step
    ? `+${(step.at / 1000).toFixed(3)} s  ${step.device}  ${step.what}`
    : 'The scenario is over; the bench goes on.';
  io.stdout.write(`${visible(line)}\n`);
}

function usbIds(text: string): UsbIds {
  const ids = parseUsbIds(text);
  if (ids === undefined) {
    throw new SpecError(`--id ${text}: it is VVVV:PPPP, vendor and product in hexadecimal digits`);
  }
  return ids;
}

/** @returns the signal that ended it, where one did */
function ended(ending: AbortController, outer: AbortSignal | undefined): Promise<NodeJS.Signals | undefined> {
  return new Promise((resolve) => {
    const stop = (signal?: NodeJS.Signals): void => {
      off();
      outer?.removeEventListener('abort', aborted);
      resolve(signal);
    };
    const aborted = (): void => {
      const reason: unknown = outer?.aborted === true ? outer.reason : undefined;
      stop(reason instanceof SignalReceived ? reason.signalName : undefined);
    };
    const off = onSignals(ENDING_SIGNALS, stop);
    if (outer?.aborted || ending.signal.aborted) {
      aborted();
      return;
    }
    outer?.addEventListener('abort', aborted);
    ending.signal.addEventListener('abort', aborted);
  });
}

/** Every file that can be written is, and then the first trouble is told. */
async function save(bench: VirtualBench, specs: readonly EepromSpec[]): Promise<void> {
  const troubles: unknown[] = [];
  for (const { busid, address, saveFile } of specs) {
    if (saveFile === undefined) continue;
    try {
      // The signal that ends the bench is no reason to leave it.
      const { image } = bench.device(busid).eeprom(address);
      await writeWhole(saveFile, image, new AbortController().signal);
    } catch (error) {
      troubles.push(error);
    }
  }
  if (troubles.length > 0) throw troubles[0];
}

/** @throws SpecError for a text that says which bytes go where: nobody wants that in a part */
function checkImage(file: string): void {
  let head: Buffer;
  try {
    head = readFileSync(file);
  } catch {
    return; // whoever loads it says so
  }
  const format = textFormatOf(head.subarray(0, SNIFF_BYTES), head.length <= SNIFF_BYTES);
  if (format)
    throw new SpecError(`${file} is ${format.name} text, no image; make one: ${format.convert(file)}`);
}

/** USB/IP has no login: who can reach the port can do with the parts what he likes. */
function warnOfVisitors({ host, port }: VirtualBench, control: ControlPort | undefined, io: RigIo): void {
  if (isLoopback(host)) return;
  const who =
    host === '0.0.0.0' || host === '::'
      ? 'anyone who can reach this machine'
      : `anyone who can reach ${host}`;
  const lines = [
    `warning: ${who} may now attach to port ${String(port)}, and read and write the virtual parts: USB/IP has no login.`,
  ];
  if (control) {
    lines.push(
      `The control port ${String(control.port)} stays on 127.0.0.1, and asks for its token: it is open to users of this machine who have that.`,
    );
  }
  io.stderr.write(lines.map((line) => `nvmem rig: ${visible(line)}\n`).join(''));
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function announce(
  bench: VirtualBench,
  specs: readonly EepromSpec[],
  control: ControlPort | undefined,
  options: RigOptions,
  io: RigIo,
): void {
  const { port, host } = bench;
  const [first] = bench.devices;
  if (options.json) {
    const line = {
      ok: true,
      host,
      port,
      busid: first?.busid,
      ...(control ? { control: control.port, token: control.token } : {}),
      devices: bench.devices.map(summary),
    };
    io.stdout.write(`${jsonLine(line)}\n`);
    return;
  }
  const lines: string[] = [];
  for (const device of bench.devices) {
    lines.push(
      `Virtual CP2112 ${device.serial}, silicon version ${String(device.version)}, bus id ${device.busid}:`,
    );
    for (const eeprom of device.eeproms) {
      const spec = specs.find((one) => one.busid === device.busid && eeprom.addresses.includes(one.address));
      lines.push(`  0x${eeprom.address.toString(16)}  ${eeprom.model.name}, ${wiring(spec)}`);
    }
  }
  // From this machine; others know it by its name.
  const here = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const reached = isIPv6(here) ? `[${here}]` : here;
  lines.push(
    `Listening on ${isIPv6(host) ? `[${host}]` : host}:${String(port)} (USB/IP).`,
    '',
    'Read it with nvmem:',
  );
  for (const { busid, address, chip } of specs) {
    const uri = `usbip://${reached}:${String(port)}/${busid}/0x${address.toString(16)}?chip=${chip}`;
    lines.push(`  nvmem read '${uri}' -o dump.bin`);
  }
  const tcpPort = port === 3240 ? '' : ` --tcp-port ${String(port)}`;
  lines.push('', 'Plug it into a Linux kernel (as root):', '  modprobe vhci-hcd');
  for (const device of bench.devices) lines.push(`  usbip${tcpPort} attach -r ${here} -b ${device.busid}`);
  if (control) {
    lines.push(
      '',
      `Control it with lines of text, or of JSON, on 127.0.0.1:${String(control.port)} (help says which):`,
      `  nc 127.0.0.1 ${String(control.port)}`,
      `  token ${control.token}`,
    );
  }
  lines.push('', 'Ctrl-C ends it.');
  io.stdout.write(`${lines.map(visible).join('\n')}\n`);
}

function wiring(spec: EepromSpec | undefined): string {
  const wp = spec?.wp;
  const pin =
    wp === undefined
      ? 'WP low'
      : wp === true
        ? 'WP high'
        : `WP on GPIO ${String(wp)}${spec?.wpInverted === true ? ', inverted' : ''}`;
  return spec?.imageFile === undefined ? pin : `${pin}, content of ${spec.imageFile}`;
}

function portNumber(option: string, value: string | number): number {
  const port = typeof value === 'number' ? value : /^\d+$/.test(value) ? Number(value) : NaN;
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new SpecError(`${option} ${String(value)} is no TCP port; it is a number from 0 to 65535`);
  }
  return port;
}

function timeMode(text: string | undefined): TimeMode {
  if (text === undefined || text === 'real' || text === 'off') return text ?? 'real';
  throw new SpecError(`--time is real or off, not ${text}`);
}

function siliconVersion(value: string | number | undefined): SiliconVersion {
  const version = Number(value ?? 2);
  if (version === 1 || version === 2 || version === 3) return version;
  throw new SpecError(`--version is the silicon version 1, 2 or 3, not ${String(value)}`);
}

function complain(error: unknown, options: RigOptions, io: RigIo): number {
  const code = codeOf(error);
  const port = String(portOf(error) ?? options.port ?? 3240);
  const option = port === String(options.control) ? '--control' : '--port';
  let message = messageOf(error);
  let status: number = EXIT.failure;
  if (error instanceof SpecError || error instanceof RangeError) status = EXIT.usage;
  if (code === 'EADDRINUSE') {
    message = `port ${port} is in use already; choose another with ${option}, or 0 for any free one`;
    status = EXIT.busy;
  } else if (code === 'EACCES') {
    message = `not permitted to listen on port ${port}; choose one from 1024 up with ${option}`;
    status = EXIT.notPermitted;
  }
  if (options.json) {
    const kind = code ?? (status === EXIT.usage ? 'EINVAL' : 'EIO');
    io.stdout.write(`${jsonLine({ ok: false, error: { code: kind, message } })}\n`);
  } else {
    // A line that is quoted stands below what is said of it.
    io.stderr.write(`nvmem rig: ${message.split('\n').map(visible).join('\n')}\n`);
  }
  return status;
}
