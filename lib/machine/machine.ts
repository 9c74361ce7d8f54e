/**
 * This machine as the kernel shows it: /sys, /proc and /dev below one root, so that a test can lay out a machine of its own.
 * Everything that is read of this machine is read here.
 */
import { constants, promises as fs } from 'node:fs'; // which loads node:fs/promises at the first use
import { userInfo } from 'node:os';
import { basename, join } from 'node:path';

/** May this user open a node? */
export type Access = 'ok' | 'denied' | 'missing';

export interface User {
  readonly uid: number;
  readonly name: string;
}

export interface Ownership {
  /** Permission bits. */
  readonly mode: number;
  readonly gid: number;
}

/** Whom a node belongs to, as far as groups go. */
export interface Owner extends Ownership {
  /** Name of the group, where the group file knows it. */
  readonly group: string | undefined;
}

export interface FileStatus {
  /** Bytes. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** When it was made, milliseconds since 1970. */
  readonly madeAt: number;
  /** Of sysfs folders: another one each time a device comes. */
  readonly inode: number;
}

const byNumber = new Intl.Collator('en', { numeric: true }).compare;

export class Machine {
  #user: User | undefined;

  constructor(
    /** Stands in front of every path. */
    readonly root = '/',
    user?: User,
    /** access(2) itself: mode bits do not tell what an ACL (udev's uaccess) allows, and root may do everything. */
    private readonly askAccess: (path: string, mode: number) => Promise<void> = fs.access,
  ) {
    this.#user = user;
  }

  /** Who runs this program. */
  get user(): User {
    this.#user ??= currentUser();
    return this.#user;
  }

  path(path: string): string {
    return join(this.root, path);
  }

  /** A small binary file; undefined where it is not there or cannot be read. */
  async bytes(path: string): Promise<Uint8Array | undefined> {
    try {
      return await fs.readFile(this.path(path));
    } catch {
      return undefined;
    }
  }

  /** A small file without the white space around it; undefined where it is not there or cannot be read. */
  async read(path: string): Promise<string | undefined> {
    try {
      return (await fs.readFile(this.path(path), 'utf8')).trim();
    } catch {
      return undefined;
    }
  }

  /** The names in a folder, in order (2 before 10); none where there is no such folder, or it went meanwhile. */
  async list(path: string, pattern?: RegExp): Promise<string[]> {
    try {
      const names = await fs.readdir(this.path(path));
      return names.filter((name) => pattern?.test(name) ?? true).sort(byNumber);
    } catch {
      return [];
    }
  }

  async exists(path: string): Promise<boolean> {
    return (await this.status(path)) !== undefined;
  }

  /** Undefined where there is none. */
  async status(path: string): Promise<FileStatus | undefined> {
    try {
      const { size, mode, mtimeMs, ino } = await fs.stat(this.path(path));
      return { size, mode: mode & 0o777, madeAt: mtimeMs, inode: ino };
    } catch {
      return undefined;
    }
  }

  /** Whom a node belongs to; undefined where there is none. */
  async owner(path: string): Promise<Owner | undefined> {
    try {
      const { mode, gid } = await this.ownership(path);
      const groups = ((await this.read('/etc/group')) ?? '').split('\n').map((line) => line.split(':'));
      return { mode, gid, group: groups.find((fields) => fields[2] === String(gid))?.[0] };
    } catch {
      return undefined;
    }
  }

  /** @throws where there is no such node */
  protected async ownership(path: string): Promise<Ownership> {
    const { mode, gid } = await fs.stat(this.path(path));
    return { mode: mode & 0o777, gid };
  }

  /** MAJOR:MINOR of a character device, as in /sys/dev/char; undefined where there is none. */
  async deviceNumber(path: string): Promise<string | undefined> {
    const rdev = await this.rdev(path);
    if (rdev === undefined) return undefined;
    const { major, minor } = splitDeviceNumber(rdev);
    return `${String(major)}:${String(minor)}`;
  }

  /** st_rdev of a character device. */
  protected async rdev(path: string): Promise<number | undefined> {
    try {
      const status = await fs.stat(this.path(path));
      return status.isCharacterDevice() ? status.rdev : undefined;
    } catch {
      return undefined;
    }
  }

  /** What a symbolic link says; undefined where there is none. */
  async link(path: string): Promise<string | undefined> {
    try {
      return await fs.readlink(this.path(path));
    } catch {
      return undefined;
    }
  }

  /** The last name of a link's target: what sysfs says of drivers and subsystems. */
  async linkName(path: string): Promise<string | undefined> {
    const target = await this.link(path);
    return target === undefined ? undefined : basename(target);
  }

  /** Where a path leads when all links are followed, without the root; undefined where it leads nowhere. */
  async realPath(path: string): Promise<string | undefined> {
    try {
      const [real, root] = [await fs.realpath(this.path(path)), await fs.realpath(this.root)];
      return root === '/' ? real : real.slice(root.length);
    } catch {
      return undefined;
    }
  }

  async access(path: string, how: 'read' | 'read and write' = 'read and write'): Promise<Access> {
    const mode = how === 'read' ? constants.R_OK : constants.R_OK | constants.W_OK;
    try {
      await this.askAccess(this.path(path), mode);
      return 'ok';
    } catch (error) {
      const { code } = error as { code?: unknown };
      return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'denied';
    }
  }
}

/** The machine that this program runs on. */
export const thisMachine = new Machine();

/** As gnu_dev_major() and gnu_dev_minor() of the C library. */
export function splitDeviceNumber(rdev: number): { readonly major: number; readonly minor: number } {
  const number = BigInt(rdev);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}

function currentUser(): User {
  const uid = process.getuid?.() ?? -1;
  try {
    return { uid, name: userInfo().username };
  } catch {
    // A container may run with a number that no user has.
    return { uid, name: String(uid) };
  }
}
