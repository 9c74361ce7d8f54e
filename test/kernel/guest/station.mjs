import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Control } from './control.mjs';
import { adapterComes, adapterGoes, adapters, bindAt24 } from './i2c.mjs';
import { allFree, attach, detach } from './usbip.mjs';
import { until } from './wait.mjs';

const CONTROL_PORT = 3241;

/** The virtual bench in its own process, as a user starts it, and the kernel's side of its cable. */
export class Station {
  port = 3240;
  /** Whether the running bench models what the wire and the USB frames take. */
  timed = false;
  #options;
  #bench;
  #ended;
  #control;
  #token;

  /** `image` is what the 24c256 at 0x52 holds; a 24c02 at 0x50 has its WP pin on GPIO 0. */
  constructor(options) {
    this.#options = options;
  }

  get image() {
    return this.#options.image;
  }

  get cli() {
    return this.#options.cli;
  }

  get controlPort() {
    return CONTROL_PORT;
  }

  /** What the control port asks for. */
  get controlToken() {
    return this.#token;
  }

  get out() {
    return this.#options.out;
  }

  get scratch() {
    return this.#options.scratch;
  }

  /** `own`: more words for `nvmem rig`. */
  async start({ timed, own = [] }) {
    this.timed = timed;
    const { cli, scratch, out, image } = this.#options;
    const file = join(scratch, 'image.bin');
    writeFileSync(file, image);
    const args = [cli, 'rig', '--port', String(this.port), '--control', String(CONTROL_PORT)];
    args.push('--eeprom', '0x50:24c02:wp=0', '--eeprom', `0x52:24c256:image=${file}`);
    args.push('--time', timed ? 'real' : 'off', ...own);
    this.#bench = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(out, `bench-${timed ? 'timed' : 'untimed'}.log`), { flags: 'a' });
    this.#bench.stdout.pipe(log);
    this.#bench.stderr.pipe(log);
    this.#ended = new Promise((done) => this.#bench.on('close', (code, signal) => done(code ?? signal)));
    const printed = new Promise((done) => {
      let said = '';
      this.#bench.stdout.on('data', (text) => {
        said += text;
        const [, token] = /^ *token ([0-9a-f]+)$/m.exec(said) ?? [];
        if (token !== undefined) done(token);
      });
    });
    const connected = async () => {
      this.#token = await printed;
      return await until('bench that listens', 40_000, () => Control.connect(CONTROL_PORT, this.#token));
    };
    this.#control = await Promise.race([
      connected(),
      this.#ended.then((status) => {
        throw new Error(`the bench ended with ${status}`);
      }),
    ]);
  }

  /** Plugs the bridge into the kernel. Gives the number of the I2C adapter that comes. */
  async attach() {
    await attach(this.port);
    return await adapterComes();
  }

  /** The adapter, attached now if it is not. */
  async adapter() {
    const [number] = adapters();
    return number ?? (await this.attach());
  }

  /** A bench with wire time from now on: a figure from one without it would be a lie. */
  async useTimeModel() {
    if (this.timed) return;
    await this.restart({ timed: true });
  }

  /** Another bench in the place of this one. */
  async restart(how) {
    await this.detach();
    await this.stop();
    await this.start(how);
  }

  async at24(adapter, type, address) {
    const path = `/sys/bus/i2c/devices/${adapter}-${address.toString(16).padStart(4, '0')}/eeprom`;
    return existsSync(path) ? path : await bindAt24(adapter, type, address);
  }

  /** The kernel lets go of the bridge. */
  async detach() {
    const present = adapters();
    await detach();
    for (const number of present) await adapterGoes(number);
  }

  /** Arms a fault, in the words of `nvmem rig --fault`. */
  async arm(fault) {
    await this.#control.arm(fault);
  }

  /** Ends every fault, also those that have not come to their turn. */
  async releaseFaults() {
    await this.#control.releaseFaults();
  }

  async plug() {
    await this.#control.plug();
  }

  /** The bridge loses its power, and comes again without faults. Gives the number of its adapter. */
  async replug() {
    await this.#control.releaseFaults();
    await this.arm('unplug:now');
    await allFree();
    await this.plug();
    return await this.attach();
  }

  async plugged() {
    return await this.#control.plugged();
  }

  async gpioLevels() {
    return await this.#control.gpioLevels();
  }

  async content(address) {
    return await this.#control.content(address);
  }

  async stop() {
    if (this.#bench === undefined) return;
    this.#control?.close();
    this.#bench.kill('SIGTERM');
    await this.#ended;
    this.#bench = undefined;
  }
}
