/** One thing that doctor looked at. */
export interface Finding {
  /** What was looked at: 'addon', 'udev rule', 'bridge 1-1.4'. */
  readonly subject: string;
  /** A warning does not stop anything now; a problem does. */
  readonly state: 'ok' | 'warning' | 'problem';
  /** What was found, one sentence. */
  readonly sentence: string;
  /** What to do: a command to paste, or a step. */
  readonly remedy?: string | undefined;
  /** The error code that an operation would end with. */
  readonly code?: string | undefined;
}

export function ok(subject: string, sentence: string, remedy?: string): Finding {
  return { subject, state: 'ok', sentence, remedy };
}

export function warning(subject: string, sentence: string, remedy: string): Finding {
  return { subject, state: 'warning', sentence, remedy };
}

export function problem(subject: string, sentence: string, remedy: string, code?: string): Finding {
  return { subject, state: 'problem', sentence, remedy, code };
}

export interface DoctorOptions {
  /** Of a URI: limit for opening it, and for the first read, milliseconds. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}
