/** What `list` and `doctor` see of this machine: files below a root, so that a test can lay out a machine of its own. */
import { constants } from 'node:fs';
import { access, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename, join } from 'node:path';

/** May this user open a node? */
export type Access = 'ok' | 'denied' | 'missing';

export interface Identity {
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

export class System {
  constructor(
    /** Stands in front of every path. */
    readonly root = '/',
    readonly user: Identity = currentUser(),
    /** access(2) itself: mode bits do not tell what an ACL (udev's uaccess) allows, and root may do everything. */
    private readonly askAccess: (path: string, mode: number) => Promise<void> = access,
  ) {}

  path(path: string): string {
    return join(this.root, path);
  }

  /** A small file without the white space around it; undefined where it is not there or cannot be read. */
  async read(path: string): Promise<string | undefined> {
    try {
      return (await readFile(this.path(path), 'utf8')).trim();
    } catch {
      return undefined;
    }
  }

  /** The names in a directory, in order; none where there is no such directory. */
  async list(path: string): Promise<string[]> {
    return (await this.listIfReadable(path)) ?? [];
  }

  /** The same, undefined where it is not there or cannot be read. */
  async listIfReadable(path: string): Promise<string[] | undefined> {
    try {
      const names = await readdir(this.path(path));
      return names.sort(new Intl.Collator('en', { numeric: true }).compare);
    } catch {
      return undefined;
    }
  }

  async exists(path: string): Promise<boolean> {
    try {
      await stat(this.path(path));
      return true;
    } catch {
      return false;
    }
  }

  /** Of a file, bytes; undefined where there is none. */
  async size(path: string): Promise<number | undefined> {
    try {
      return (await stat(this.path(path))).size;
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
    const { mode, gid } = await stat(this.path(path));
    return { mode: mode & 0o777, gid };
  }

  /** What a symbolic link says; undefined where there is none. */
  async link(path: string): Promise<string | undefined> {
    try {
      return await readlink(this.path(path));
    } catch {
      return undefined;
    }
  }

  /** The last name of a link's target: what sysfs says of drivers and subsystems. */
  async linkName(path: string): Promise<string | undefined> {
    const target = await this.link(path);
    return target === undefined ? undefined : basename(target);
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

function currentUser(): Identity {
  const uid = process.getuid?.() ?? -1;
  try {
    return { uid, name: userInfo().username };
  } catch {
    // A container may run with a number that no user has.
    return { uid, name: String(uid) };
  }
}
