import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./client.mjs', import.meta.url));

/** What an operation of a user rejected with: code, message, hint and what is known of the bytes. */
export class Refused extends Error {
  constructor(what, error) {
    super(`${what}: ${error.message}`);
    Object.assign(this, { ...error, message: this.message });
  }
}

/** A program that uses this package (client.mjs), seen from here. */
export class User {
  #child;
  #waiting = [];
  #stderr = '';
  /** Exit status, or the signal's name. */
  ended;

  constructor(cli) {
    this.#child = spawn(process.execPath, [SCRIPT, cli], { stdio: 'pipe' });
    createInterface({ input: this.#child.stdout }).on('line', (line) =>
      this.#waiting.shift()?.(JSON.parse(line)),
    );
    this.#child.stdin.on('error', () => {}); // it may have ended
    this.#child.stderr.on('data', (chunk) => (this.#stderr += chunk));
    this.ended = new Promise((done) => this.#child.on('close', (code, signal) => done(code ?? signal)));
    void this.ended.then(() => {
      for (const answer of this.#waiting.splice(0))
        answer({ error: { message: `the program has ended: ${this.#stderr}` } });
    });
  }

  get pid() {
    return this.#child.pid;
  }

  get stderr() {
    return this.#stderr;
  }

  /** Gives the answer, `ms` in it; throws Refused. */
  async ask(cmd, args = {}) {
    const answer = await new Promise((done) => {
      this.#waiting.push(done);
      this.#child.stdin.write(`${JSON.stringify({ cmd, ...args })}\n`);
    });
    if (answer.error !== undefined) throw new Refused(cmd, answer.error);
    return answer;
  }

  /** The error that it must come to. */
  async refused(code, cmd, args) {
    const error = await this.ask(cmd, args).then(
      () => undefined,
      (reason) => reason,
    );
    if (error?.code === code) return error;
    throw new Error(
      `${cmd} ended ${error === undefined ? 'well' : `with ${error.message}`}, not with ${code}`,
    );
  }

  async read(uri) {
    const { data, ms } = await this.ask('read', { uri });
    return { data: Buffer.from(data, 'base64'), seconds: ms / 1000 };
  }

  kill(signal) {
    this.#child.kill(signal);
  }

  /** Ends it as `how` says, and gives how it ended. */
  async end(how = 'exit') {
    this.#child.stdin.write(`${JSON.stringify({ cmd: 'end', how })}\n`);
    return await this.ended;
  }
}

/** Runs `body` with a user that is gone afterwards, whatever happens. */
export async function withUser(cli, body) {
  const user = new User(cli);
  try {
    return await body(user);
  } finally {
    user.kill('SIGKILL');
    await user.ended;
  }
}
