import { Wire } from './client';

export type Answer = Readonly<Record<string, unknown>>;

/** A JSON-lines client: answers in order, events apart. */
export class Control {
  readonly events: Answer[] = [];
  #text = '';
  readonly #lines: Answer[] = [];
  readonly #readers: (() => void)[] = [];

  #token: string | undefined;

  private constructor(
    readonly wire: Wire,
    token?: string,
  ) {
    this.#token = token;
    wire.socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString();
      const lines = this.#text.split('\n');
      this.#text = lines.pop() ?? '';
      for (const line of lines) {
        const answer = JSON.parse(line) as Answer;
        (answer['event'] === undefined ? this.#lines : this.events).push(answer);
      }
      for (const reader of this.#readers.splice(0)) reader();
    });
  }

  /** Without a token nothing is taken. */
  static async open(port: number, token?: string): Promise<Control> {
    return new Control(await Wire.open(port), token);
  }

  send(line: string): Promise<Answer> {
    this.wire.write(Buffer.from(line));
    return this.answer();
  }

  async answer(): Promise<Answer> {
    for (;;) {
      const answer = this.#lines.shift();
      if (answer) return answer;
      await new Promise<void>((resolve) => this.#readers.push(resolve));
    }
  }

  /** Waits until an event satisfies the condition. */
  async event(wanted: (event: Answer) => boolean): Promise<Answer> {
    for (;;) {
      const found = this.events.find(wanted);
      if (found) return found;
      await new Promise<void>((resolve) => this.#readers.push(resolve));
    }
  }

  /** The first request has the token. */
  ask(request: object): Promise<Answer> {
    const token = this.#token;
    this.#token = undefined;
    return this.send(`${JSON.stringify({ token, ...request })}\n`);
  }
}
