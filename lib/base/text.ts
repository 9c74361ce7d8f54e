/** Words about numbers, for messages. */

/** '32768 bytes', '1 byte'. */
export function bytes(count: number): string {
  return `${String(count)} ${count === 1 ? 'byte' : 'bytes'}`;
}
