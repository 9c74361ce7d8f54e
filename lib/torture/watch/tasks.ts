/** Threads as /proc shows them: those of a process that hangs, and those that sleep in the kernel and do not wake. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Task {
  readonly pid: string;
  readonly tid: string;
  readonly name: string;
  /** One letter: R, S, D … */
  readonly state: string;
  /** The function of the kernel that it sleeps in, where this user may see it. */
  readonly waitsIn: string;
  readonly stack: string;
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has ended, or is not this user's to see
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

function taskOf(pid: string, tid: string): Task {
  const folder = `/proc/${pid}/task/${tid}`;
  const stat = text(`${folder}/stat`);
  // The name is in brackets and may hold anything, brackets too.
  const end = stat.lastIndexOf(')');
  return {
    pid,
    tid,
    name: stat.slice(stat.indexOf('(') + 1, end),
    state: stat.charAt(end + 2),
    waitsIn: text(`${folder}/wchan`),
    stack: text(`${folder}/stack`)
      .replaceAll(/^\[<0>\] /gm, '')
      .trim(),
  };
}

export function tasksOf(pid: number): Task[] {
  return names(`/proc/${String(pid)}/task`).map((tid) => taskOf(String(pid), tid));
}

/** All tasks of the machine that are in state D at this moment; a task may be in it for a moment in the course of its work. */
export function sleepers(): Task[] {
  return names('/proc').flatMap((pid) =>
    names(`/proc/${pid}/task`)
      .map((tid) => taskOf(pid, tid))
      .filter(({ state }) => state === 'D'),
  );
}

export function describeTask({ pid, tid, name, state, waitsIn, stack }: Task): string {
  const where = waitsIn === '' || waitsIn === '0' ? '' : ` in ${waitsIn}`;
  const calls = stack === '' ? '' : `: ${stack.split('\n').slice(0, 12).join(' < ')}`;
  return `${pid === tid ? pid : `${pid}/${tid}`} ${name} state ${state}${where}${calls}`;
}
