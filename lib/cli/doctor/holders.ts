/** Who has a node open. */
import type { System } from '../system.js';

export interface Holder {
  readonly pid: number;
  /** As in /proc/PID/comm. */
  readonly command: string;
  readonly node: string;
}

export interface Holders {
  readonly found: readonly Holder[];
  /** Processes of other users whose descriptors do not show. */
  readonly hidden: number;
}

/** The processes that have one of `nodes` open, this one apart. */
export async function holdersOf(system: System, nodes: readonly string[]): Promise<Holders> {
  const found: Holder[] = [];
  let hidden = 0;
  const pids = (await system.list('/proc')).filter((name) => /^[0-9]+$/.test(name));
  for (const pid of pids) {
    if (Number(pid) === process.pid) continue;
    const descriptors = await system.listIfReadable(`/proc/${pid}/fd`);
    if (descriptors === undefined) {
      hidden++;
      continue;
    }
    const targets = await Promise.all(descriptors.map((fd) => system.link(`/proc/${pid}/fd/${fd}`)));
    const held = nodes.filter((node) => targets.includes(node));
    if (held.length === 0) continue;
    const command = (await system.read(`/proc/${pid}/comm`)) ?? '?';
    found.push(...held.map((node) => ({ pid: Number(pid), command, node })));
  }
  return { found, hidden };
}

/** 'i2cdetect (pid 812), qemu (pid 1044)' */
export function describeHolders(holders: readonly Holder[]): string {
  return holders.map(({ command, pid }) => `${command} (pid ${String(pid)})`).join(', ');
}
