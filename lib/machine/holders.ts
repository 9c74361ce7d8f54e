/** Who has a device node open, as far as /proc may be read: root sees everybody, others only themselves. */
import { thisMachine, type Machine } from './machine.js';

export interface Holder {
  readonly pid: number;
  /** The program's name, up to 15 characters. */
  readonly command: string;
  /** The node it has open. */
  readonly node: string;
}

export async function holdersOf(nodes: readonly string[], machine = thisMachine): Promise<Holder[]> {
  if (nodes.length === 0) return [];
  const pids = await machine.list('/proc', /^\d+$/);
  const found = await Promise.all(pids.map((pid) => openIn(machine, pid, nodes)));
  return found.flat().sort((a, b) => a.pid - b.pid);
}

/** 'gpioset (process 77), this program'. */
export function nameHolders(holders: readonly Holder[]): string {
  const names = holders.map(({ pid, command }) =>
    pid === process.pid ? 'this program' : `${command} (process ${String(pid)})`,
  );
  return [...new Set(names)].join(', ');
}

async function openIn(machine: Machine, pid: string, nodes: readonly string[]): Promise<Holder[]> {
  // What can't be read belongs to others, or has ended meanwhile.
  const fds = await machine.list(`/proc/${pid}/fd`);
  const links = await Promise.all(fds.map((fd) => machine.link(`/proc/${pid}/fd/${fd}`)));
  const held = [...new Set(links.filter((link) => link !== undefined && nodes.includes(link)))];
  if (held.length === 0) return [];
  const command = (await machine.read(`/proc/${pid}/comm`)) ?? '';
  return held.map((node) => ({ pid: Number(pid), command, node: node ?? '' }));
}
