/** The control port of a bench, from the other end. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

type Message = Readonly<Record<string, unknown>>;

interface Asked {
  readonly resolve: (answer: Message) => void;
  readonly reject: (error: Error) => void;
}

export class ControlClient {
  readonly #socket: Socket;
  readonly #asked: Asked[] = [];
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    createInterface({ input: socket }).on('line', (line) => {
      this.#hear(JSON.parse(line) as Message);
    });
    socket.on('close', () => {
      for (const { reject } of this.#asked.splice(0)) reject(new Error('the bench has hung up'));
    });
  }

  /** Rejects with Error: what the bench says against it, or that it is gone. */
  ask(request: Message): Promise<Message> {
    return new Promise((resolve, reject) => {
      if (!this.#socket.writable) {
        reject(new Error('the bench has hung up'));
        return;
      }
      this.#asked.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
  }

  async busids(): Promise<string[]> {
    const { devices } = await this.ask({ cmd: 'list' });
    return (devices as readonly { busid: string }[]).map(({ busid }) => busid);
  }

  /** @returns takes the listener away */
  onUnplugged(busid: string, listener: () => void): () => void {
    const all = this.#listeners.get(busid) ?? new Set();
    this.#listeners.set(busid, all.add(listener));
    return () => all.delete(listener);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.once('close', () => {
        resolve();
      });
      this.#socket.destroy();
    });
  }

  #hear(message: Message): void {
    if (message['event'] === 'unplugged') {
      for (const listener of [...(this.#listeners.get(String(message['device'])) ?? [])]) listener();
    }
    if (message['event'] !== undefined) return;
    const asked = this.#asked.shift();
    if (message['ok'] === true) asked?.resolve(message);
    else asked?.reject(new Error(String(message['error'])));
  }
}

/** Rejects with Error: nobody listens, or the token is wrong. */
export async function connectControl(host: string, port: number, token: string): Promise<ControlClient> {
  const socket = connect({ host, port });
  await once(socket, 'connect');
  const client = new ControlClient(socket);
  await client.ask({ token, cmd: 'events' });
  return client;
}
