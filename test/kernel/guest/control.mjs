import { connect } from 'node:net';
import { createInterface } from 'node:readline';

/** The bench's control port: one JSON request a line, one answer a line, in order. */
export class Control {
  #socket;
  #token;
  #waiting = [];

  /** `token`: what the bench printed. Resolves with nothing where nobody listens yet. */
  static connect(port, token) {
    return new Promise((done) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      socket.on('error', () => done(undefined));
      socket.on('connect', () => done(new Control(socket, token)));
    });
  }

  constructor(socket, token) {
    this.#socket = socket;
    this.#token = token;
    createInterface({ input: socket }).on('line', (line) => this.#waiting.shift()?.(JSON.parse(line)));
    socket.on('close', () => {
      for (const answer of this.#waiting.splice(0))
        answer({ ok: false, error: 'the bench closed its control port' });
    });
  }

  /** Arms a fault, in the words of `nvmem rig --fault`. */
  async arm(fault) {
    await this.#ask({ cmd: 'fault', add: fault });
  }

  /** Ends every fault, also those that have not come to their turn. */
  async releaseFaults() {
    await this.#ask({ cmd: 'fault', release: 'all' });
  }

  async plug() {
    await this.#ask({ cmd: 'plug' });
  }

  async plugged() {
    const { devices } = await this.#ask({ cmd: 'list' });
    return devices[0].plugged;
  }

  /** Bit n is GPIO n. */
  async gpioLevels() {
    return (await this.#ask({ cmd: 'gpio' })).levels;
  }

  /** What an EEPROM holds at this moment, past all protocol. */
  async content(address) {
    return Buffer.from((await this.#ask({ cmd: 'image', address })).data, 'base64');
  }

  close() {
    this.#socket.destroy();
  }

  async #ask(request) {
    const answer = await new Promise((done) => {
      this.#waiting.push(done);
      this.#socket.write(`${JSON.stringify({ token: this.#token, ...request })}\n`);
    });
    if (!answer.ok) throw new Error(`the bench refuses ${JSON.stringify(request)}: ${answer.error}`);
    return answer;
  }
}
