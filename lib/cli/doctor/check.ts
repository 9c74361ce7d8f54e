/** One thing that doctor looked at. */
export interface Check {
  /** What was looked at: 'addon', 'udev rule', 'bridge 1-1.4'. */
  readonly name: string;
  /** A warning does not stop anything now; a problem does. */
  readonly status: 'ok' | 'warning' | 'problem';
  /** One sentence. */
  readonly says: string;
  /** What to do: a command to paste, or a step. */
  readonly remedy?: string | undefined;
  /** The error code that an operation would end with; it decides the exit status. */
  readonly code?: string | undefined;
}

export function ok(name: string, says: string, remedy?: string): Check {
  return { name, status: 'ok', says, remedy };
}

export function warning(name: string, says: string, remedy: string): Check {
  return { name, status: 'warning', says, remedy };
}

export function problem(name: string, says: string, remedy: string, code?: string): Check {
  return { name, status: 'problem', says, remedy, code };
}
