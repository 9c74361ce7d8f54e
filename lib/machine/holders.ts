/** Who has a device node open, as far as /proc may be read: root sees everybody, others only themselves. */
import { promises as fs } from 'node:fs'; // which loads node:fs/promises at the first use

export interface Holder {
  readonly pid: number;
  /** The program's name, up to 15 characters. */
  readonly command: string;
  /** The node it has open. */
  readonly node: string;
}

export async function holdersOf(nodes: readonly string[], proc = '/proc'): Promise<Holder[]> {
  if (nodes.length === 0) return [];
  const pids = (await fs.readdir(proc).catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => openIn(proc, pid, nodes)));
  return found.flat().sort((a, b) => a.pid - b.pid);
}

/** 'gpioset (process 77), this program'. */
export function nameHolders(holders: readonly Holder[]): string {
  const names = holders.map(({ pid, command }) =>
    pid === process.pid ? 'this program' : `${command} (process ${String(pid)})`,
  );
  return [...new Set(names)].join(', ');
}

async function openIn(proc: string, pid: string, nodes: readonly string[]): Promise<Holder[]> {
  // What can't be read belongs to others, or has ended meanwhile.
  const fds = await fs.readdir(`${proc}/${pid}/fd`).catch(() => []);
  const links = await Promise.all(fds.map((fd) => fs.readlink(`${proc}/${pid}/fd/${fd}`).catch(() => '')));
  const held = [...new Set(links.filter((link) => nodes.includes(link)))];
  if (held.length === 0) return [];
  const command = (await fs.readFile(`${proc}/${pid}/comm`, 'utf8').catch(() => '')).trim();
  return held.map((node) => ({ pid: Number(pid), command, node }));
}
