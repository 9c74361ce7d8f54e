/** Everything that is counted, as text for Prometheus. */
import { checkKeys, checkObject, typeError } from '../base/validate.js';
import { Bus } from '../bus/bus.js';
import { openBuses, type KnownBus } from '../bus/known.js';
import { nvmem, Registry } from '../core/registry.js';
import { FollowedDevice } from '../follow/followed_device.js';
import { isBehind, openFollowers } from '../follow/known.js';
import type { FollowState } from '../follow/life.js';
import { native } from '../native/index.js';
import { expose, type Family, type Labels, type Sample } from './exposition.js';
import {
  BUS_METRICS,
  DEVICE_METRICS,
  FOLLOWER_METRICS,
  FOLLOWER_STATE,
  PROCESS_METRICS,
  type DeviceSubject,
  type Metric,
} from './families.js';

/** The Content-Type of what metrics() gives. */
export const contentType = 'text/plain; version=0.0.4; charset=utf-8';

const STATES: readonly FollowState[] = ['absent', 'opening', 'present', 'replaced', 'closed'];

export interface MetricsOptions {
  /** Whose devices. Default: `nvmem`, the shared one. */
  readonly registry?: Registry | undefined;
  /** Default: those of this thread that are not closed. */
  readonly followers?: Iterable<FollowedDevice> | undefined;
  /** Default: those that this thread has open, with open() and follow() as well. */
  readonly buses?: Iterable<Bus> | undefined;
}

interface Labelled<T> {
  readonly labels: Labels;
  readonly subject: T;
}

/**
 * What devices, followers and buses have counted, in Prometheus's text format (version 0.0.4): the body of an answer to
 * `GET /metrics`, with `contentType` as its Content-Type. docs/observing.md lists the metrics.
 *
 * There are as many series as there are devices, followers and buses, never more for what they have done. A device that a follower
 * is in front of has the follower's numbers, which go on over replugs; those of an open bus go on over its openings.
 *
 * @throws TypeError: a wrong option.
 *
 * @example
 * response.writeHead(200, { 'content-type': contentType }).end(metrics());
 */
export function metrics(options: MetricsOptions = {}): string {
  checkKeys('options', checkObject('options', options), ['registry', 'followers', 'buses']);
  const { registry = nvmem } = options;
  if (!(registry instanceof Registry)) throw typeError('options.registry', 'a Registry', registry);
  const followers = listOf('options.followers', options.followers, FollowedDevice, 'a FollowedDevice');
  const following = followers ?? openFollowers().filter((one) => one instanceof FollowedDevice);
  const buses = listOf('options.buses', options.buses, Bus, 'a Bus');

  const devices = registry
    .devices()
    .filter((device) => !following.some((follower) => isBehind(follower, device)));
  const named = distinct('device', [...following, ...devices], ({ name }) => name);
  const labelled = <T, S>(items: readonly T[], at: number, subjectOf: (item: T) => S): Labelled<S>[] =>
    items.map((item, i) => ({ labels: named[at + i] ?? {}, subject: subjectOf(item) }));

  const behind: Labelled<DeviceSubject>[] = [
    ...labelled(following, 0, (follower) => ({
      stats: follower.stats,
      size: sizeOf(follower),
      isPresent: follower.alive,
    })),
    ...labelled(devices, following.length, ({ stats, size, alive }) => ({ stats, size, isPresent: alive })),
  ];
  const lives = labelled(following, 0, ({ stats, current }) => ({ stats, since: current.since, current }));
  return expose([
    ...familiesOf(DEVICE_METRICS, behind),
    {
      ...FOLLOWER_STATE,
      samples: lives.flatMap(({ labels, subject: { current } }) =>
        STATES.map((state) => ({ labels: { ...labels, state }, value: Number(state === current.state) })),
      ),
    },
    ...familiesOf(FOLLOWER_METRICS, lives),
    ...familiesOf(BUS_METRICS, busesOf(buses)),
    ...familiesOf(PROCESS_METRICS, [{ labels: {}, subject: native().processStats() }]),
  ]);
}

function familiesOf<T>(list: readonly Metric<T>[], subjects: readonly Labelled<T>[]): Family[] {
  return list.map((metric) => {
    const samples = subjects.flatMap(({ labels, subject }): Sample[] => {
      const value = metric.of(subject);
      return value === undefined ? [] : [{ labels, value }];
    });
    return { ...metric, samples };
  });
}

/** Handles on one bus are that bus, once; of one that is open, with its openings before. */
function busesOf(given: readonly Bus[] | undefined): Labelled<KnownBus['stats']>[] {
  const known = new Map(openBuses().map(({ bus, stats }) => [bus, stats]));
  const wanted = given ? new Map(given.map((bus) => [bus.key, known.get(bus.key) ?? bus.stats])) : known;
  return [...wanted].map(([bus, subject]) => ({ labels: { bus }, subject }));
}

function sizeOf(follower: FollowedDevice): number | undefined {
  try {
    return follower.size;
  } catch {
    return undefined; // it has not been there yet
  }
}

/** Numbers of those that share a name, which they keep as long as they live. */
const numbers = new WeakMap<object, number>();

/** A label for each, no two of them the same: of those that share a name the later ones have a `number` as well, from 2 on. */
function distinct<T extends object>(
  label: string,
  items: readonly T[],
  nameOf: (item: T) => string,
): Labels[] {
  const taken = new Map<string, Set<number>>();
  const names = items.map(nameOf);
  const numbersOf = (name: string): Set<number> => {
    const found = taken.get(name) ?? new Set();
    taken.set(name, found);
    return found;
  };
  items.forEach((item, i) => {
    const number = numbers.get(item);
    if (number !== undefined) numbersOf(names[i] ?? '').add(number);
  });
  const used = new Map<string, Set<number>>();
  return items.map((item, i) => {
    const name = names[i] ?? '';
    const seen = used.get(name) ?? new Set();
    used.set(name, seen);
    let number = numbers.get(item);
    if (number === undefined || seen.has(number)) {
      number = 1;
      while (numbersOf(name).has(number)) number++;
      numbers.set(item, number);
      numbersOf(name).add(number);
    }
    seen.add(number);
    return number === 1 ? { [label]: name } : { [label]: name, number: String(number) };
  });
}

/** A copy: what is iterated over is asked once. */
function listOf<T>(
  field: string,
  given: Iterable<T> | undefined,
  type: abstract new (...args: never[]) => T,
  rule: string,
): T[] | undefined {
  if (given === undefined) return undefined;
  if (typeof (given as Partial<Iterable<T>> | null)?.[Symbol.iterator] !== 'function') {
    throw typeError(field, 'an array', given);
  }
  const list = [...new Set(given)];
  for (const [i, item] of list.entries()) {
    if (!(item instanceof type)) throw typeError(`${field}[${String(i)}]`, rule, item);
  }
  return list;
}
