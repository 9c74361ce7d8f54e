/** Text that others wrote, on its way to a person's eyes. */

/** Control characters (C0, DEL, C1), format characters (direction overrides, zero width), line separators, halves of pairs. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * Text of a device, a server, a file or a command line as it may stand in a line on a terminal: what would move the cursor,
 * hide or reorder something is an escape (`\x1b`, `\u{202e}`) instead, a line feed among them. Text without such characters,
 * and text that has been through here, comes back as it is.
 */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** A JSON document in one line: the same strings to whoever parses it, and nothing that a terminal acts on. */
export function jsonLine(document: unknown): string {
  return JSON.stringify(document).replace(UNSEEN, (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
