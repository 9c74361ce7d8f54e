/** What can be said about anything that was thrown; not by class, since Node's own errors may come from another realm. */

export function messageOf(error: unknown): string {
  const message = property(error, 'message');
  return typeof message === 'string' ? message : String(error);
}

/** The code of a system error ("EADDRINUSE"), or undefined. */
export function codeOf(error: unknown): string | undefined {
  const code = property(error, 'code');
  return typeof code === 'string' ? code : undefined;
}

/** The port a failed listen() was for. */
export function portOf(error: unknown): number | undefined {
  const port = property(error, 'port');
  return typeof port === 'number' ? port : undefined;
}

function property(error: unknown, name: string): unknown {
  return typeof error === 'object' && error !== null ? (error as Record<string, unknown>)[name] : undefined;
}
