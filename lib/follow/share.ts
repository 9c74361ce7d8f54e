/** A followed memory in several threads: its owner tells the others of its states, and each uses the shared device itself. */
import { randomUUID } from 'node:crypto';
import { BroadcastChannel } from 'node:worker_threads';

import { isA } from '../base/foreign.js';
import { NvmemError } from '../base/errors.js';
import { checkKeys, checkObject, rangeError, typeError } from '../base/validate.js';
import type { NvmemDevice } from '../core/device.js';
import type { NvmemEnd } from '../core/device_end.js';
import { memoryProvider } from '../core/memory_provider.js';
import { Registry } from '../core/registry.js';
import { attachShared } from '../core/share.js';
import type { SharedToken } from '../core/share_token.js';
import { realClock, type Clock } from '../hotplug/clock.js';
import type { Surroundings } from './call.js';
import type { Evidence } from './evidence.js';
import { FollowedDevice } from './followed_device.js';
import { ACCEPTED, checkReplaced } from './life.js';
import type { Audience, FollowChange, FollowState, Life } from './life.js';
import { checkOnUnplug, type OnUnplug } from './options.js';
import { differsIn } from './prove.js';
import type { FollowToken } from './token.js';

/** From the owner to all. */
interface StateMessage {
  readonly kind: 'state';
  readonly state: FollowState;
  readonly since: number;
  readonly reason: string;
  readonly error: { readonly code: string; readonly message: string; readonly hint: string } | undefined;
  /** Of the device that is there. */
  readonly device: SharedToken | undefined;
}

/** To the owner. */
type Request =
  | { readonly kind: 'hello' }
  | { readonly kind: 'accept' }
  | { readonly kind: 'differs'; readonly device: string; readonly reason: string };

type Message = StateMessage | Request;

function channelOf(id: string, heard: (message: Message) => void): BroadcastChannel {
  const channel = new BroadcastChannel(`nvmem-follow ${id}`);
  channel.onmessage = (event): void => {
    heard((event as { readonly data: Message }).data);
  };
  channel.unref();
  return channel;
}

const OWNER_CLOSED = 'its owner has closed it';
const OWNER_ENDED = 'the thread that it was followed in has ended';

/** The owner's end. Made at the first share(). */
export class Sharing {
  readonly token: FollowToken;
  readonly #channel: BroadcastChannel;
  readonly #forget: () => void;
  readonly #registry = new Registry();
  readonly #beacon = this.#registry.registerNow({ provider: memoryProvider(1), name: 'owner', id: 'none' });

  constructor(
    private readonly around: Surroundings,
    facts: Omit<FollowToken, 'type' | 'id' | 'owner'>,
    private readonly refuse: (reason: string) => void,
  ) {
    const id = randomUUID();
    const cells = facts.cells.filter(({ readPostProcess }) => readPostProcess === undefined);
    this.token = { type: 'nvmem-shared-follow', id, owner: this.#beacon.share(), ...facts, cells };
    this.#channel = channelOf(id, (message) => {
      this.#heard(message);
    });
    this.#forget = around.underWay.onChange(() => {
      this.#tell();
    });
  }

  end(): void {
    this.#tell();
    this.#forget();
    this.#channel.close();
    void this.#registry.unregister(this.#beacon, { cause: 'closed', reason: OWNER_CLOSED });
  }

  #heard(message: Message): void {
    const { life } = this.around;
    if (message.kind === 'hello') this.#tell();
    else if (message.kind === 'accept' && life.current.state === 'replaced') life.accept();
    else if (message.kind === 'differs' && this.#device()?.id === message.device) this.refuse(message.reason);
  }

  #tell(): void {
    const { state, since, reason, error } = this.around.life.current;
    const device = this.#device();
    const message: StateMessage = {
      kind: 'state',
      // One that cannot be shared is not there for others.
      state: state === 'present' && device === undefined ? 'absent' : state,
      since,
      reason,
      error: error && { code: error.code, message: error.message, hint: error.hint },
      device,
    };
    this.#channel.postMessage(message);
  }

  #device(): SharedToken | undefined {
    try {
      return this.around.life.device?.share();
    } catch (error) {
      if (isA(error, NvmemError)) return undefined;
      throw error;
    }
  }
}

/** The other threads' end. */
class RemoteLife implements Life {
  #current: FollowChange;
  #device: NvmemDevice | undefined;
  #last: NvmemDevice | undefined;
  /** Attached, and compared with what operations of this thread know. */
  #candidate: NvmemDevice | undefined;
  #closing: Promise<void> | undefined;
  /** Of the last message that was taken up. */
  #seen: string | undefined;
  readonly #channel: BroadcastChannel;
  readonly #beacon: NvmemDevice | undefined;

  constructor(
    { id, owner }: Pick<FollowToken, 'id' | 'owner'>,
    private readonly uri: string,
    private readonly evidence: Iterable<Evidence>,
    private readonly prepare: (device: NvmemDevice) => void,
    private readonly audience: Audience,
    private readonly clock: Clock,
    private readonly proves: boolean,
  ) {
    this.#current = {
      state: 'absent',
      since: clock.date(),
      reason: 'its owner has not answered yet',
      error: undefined,
    };
    this.#channel = channelOf(id, (message) => {
      if (message.kind === 'state') this.#heard(message);
    });
    this.#beacon = beaconOf(owner);
    this.#beacon?.once('removed', (end) => {
      this.#ownerGone(end);
    });
    // Nobody who could be told is there yet.
    if (this.#beacon) this.#post({ kind: 'hello' });
    else void Promise.resolve().then(() => this.#end(OWNER_ENDED));
  }

  get current(): FollowChange {
    return this.#current;
  }

  get device(): NvmemDevice | undefined {
    return this.#device;
  }

  get lastDevice(): NvmemDevice | undefined {
    return this.#last;
  }

  doubt(): void {
    // Its owner hears it from its own device.
  }

  accept(): void {
    checkReplaced(this.#current, this.uri);
    this.#post({ kind: 'accept' });
    this.#become({ state: 'absent', since: this.clock.date(), reason: ACCEPTED, error: undefined });
  }

  close(): Promise<void> {
    return this.#end('closed');
  }

  #end(reason: string): Promise<void> {
    this.#closing ??= this.#close(reason);
    return this.#closing;
  }

  async #close(reason: string): Promise<void> {
    const device = this.#candidate ?? this.#device;
    this.#candidate = undefined;
    this.#device = undefined;
    this.#channel.close();
    this.#become({ state: 'closed', since: this.clock.date(), reason, error: undefined });
    await Promise.all([device?.close(), this.#beacon?.close()]);
  }

  #ownerGone({ cause }: NvmemEnd): void {
    void this.#end(cause === 'unplugged' ? OWNER_ENDED : OWNER_CLOSED);
  }

  #post(message: Request): void {
    this.#channel.postMessage(message);
  }

  #heard({ state, since, reason, error, device }: StateMessage): void {
    if (this.#closing) return;
    const made =
      error && new NvmemError(error.code, error.message.replace(/^[A-Z_]+: /, ''), { hint: error.hint });
    const change: FollowChange = { state, since, reason, error: made };
    if (state === 'present' && device) {
      if (device.id === this.#seen) return;
      this.#seen = device.id;
      void this.#attach(device, change);
      return;
    }
    if (state === 'closed') {
      void this.#end(OWNER_CLOSED);
      return;
    }
    const isSame = state === this.#current.state && reason === this.#current.reason;
    if (isSame) return;
    this.#letGo();
    this.#become(change);
  }

  /** Nothing is read for anybody before what operations of this thread know of it is found there. */
  async #attach(token: SharedToken, change: FollowChange): Promise<void> {
    // Another device is another presence, also where the end of the one before was not heard.
    if (this.#device) this.#become({ ...change, state: 'absent', reason: 'it was unplugged, and is back' });
    this.#letGo();
    let device: NvmemDevice;
    try {
      device = attachShared(token).unref();
    } catch {
      return; // gone again, and its owner is about to say so
    }
    this.#candidate = device;
    device.once('removed', ({ reason }) => {
      this.#gone(device, reason);
    });
    this.prepare(device);
    let differs: string | undefined;
    if (this.proves && [...this.evidence].some(({ known }) => known.length > 0)) {
      this.#become({ ...change, state: 'opening' });
      try {
        differs = await differsIn(device, this.evidence, () => this.clock.random());
      } catch {
        // It is going, or cannot be read; who reads it next is told.
      }
    }
    if (this.#candidate !== device) return;
    this.#candidate = undefined;
    if (differs !== undefined) {
      void device.close();
      this.#post({ kind: 'differs', device: token.id, reason: differs });
      return;
    }
    this.#device = device;
    this.#last = device;
    this.#become(change);
  }

  #gone(device: NvmemDevice, reason: string): void {
    if (this.#closing || (device !== this.#device && device !== this.#candidate)) return;
    this.#device = undefined;
    this.#candidate = undefined;
    this.#become({ state: 'absent', since: this.clock.date(), reason, error: undefined });
  }

  #letGo(): void {
    const device = this.#candidate ?? this.#device;
    this.#candidate = undefined;
    this.#device = undefined;
    void device?.close();
  }

  #become(change: FollowChange): void {
    const isSame = change.state === this.#current.state;
    this.#current = change;
    if (!isSame) this.audience.changed(change);
  }
}

/** Undefined: the owner has gone already. It holds nobody's event loop: who follows does. */
function beaconOf(owner: SharedToken): NvmemDevice | undefined {
  try {
    return attachShared(owner).unref();
  } catch (error) {
    if (isA(error, NvmemError)) return undefined;
    throw error;
  }
}

export interface FollowSharedOptions {
  /** What operations do that say nothing themselves. Default 'fail'. */
  readonly onUnplug?: OnUnplug | undefined;
  /** As for follow(); what else there is to prove is proved by the owner. */
  readonly identity?: 'bridge' | 'content' | undefined;
}

/**
 * Follows a memory that another thread follows: the same states and events, and `onUnplug: 'wait'`. Operations go through the
 * memory's shared slot and not through messages. It ends with close() in this thread, or with its owner: when that one closes it,
 * or its thread ends in whatever way, it is closed here as well, and what waits rejects with ENODEV.
 *
 * @throws TypeError: no token of FollowedDevice.share(). RangeError: a wrong option.
 *
 * @example
 * const worker = new Worker(file, { workerData: board.share() });
 * // in the worker:
 * await using board = followShared(workerData, { onUnplug: 'wait' });
 */
export function followShared(token: FollowToken, options: FollowSharedOptions = {}): FollowedDevice {
  const { type, id, owner } = checkObject('token', token) as Partial<FollowToken>;
  if (type !== 'nvmem-shared-follow' || typeof id !== 'string' || owner === undefined) {
    throw typeError('token', 'what share() of a followed device gave', token);
  }
  checkKeys('options', checkObject('options', options), ['onUnplug', 'identity']);
  const { onUnplug = 'fail', identity = 'content' } = options;
  checkOnUnplug(onUnplug);
  if (!['bridge', 'content'].includes(identity))
    throw rangeError('options.identity', "'bridge' or 'content'", identity);
  const { uri, name, size, pageSize, cells } = token;
  return new FollowedDevice({
    uri,
    clock: realClock,
    onUnplug,
    name,
    size,
    pageSize,
    cells,
    keepouts: [],
    makeLife: (audience, evidence, prepare) =>
      new RemoteLife({ id, owner }, uri, evidence, prepare, audience, realClock, identity === 'content'),
    share: () => token,
    over: () => undefined,
  });
}
