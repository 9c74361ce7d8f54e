/** Files that say in text which bytes go where: nobody means to have the text itself in a memory. */

export interface TextFormat {
  readonly name: string;
  /** How to make an image of such a file. */
  readonly convert: (file: string) => string;
}

/** Enough to know a file by. */
export const SNIFF_BYTES = 4096;
const LINES = 20;

interface Kind extends TextFormat {
  /** Whether a line has the form of a record; 'sure': and proves it, by its check sum or by a form nothing else has. */
  readonly looksLike: (line: string) => 'no' | 'like' | 'sure';
}

const kinds: readonly Kind[] = [
  {
    name: 'Intel HEX',
    convert: (file) => `objcopy -I ihex -O binary ${file} IMAGE`,
    looksLike(line) {
      // Length, address (2), type, data, check sum: all of them add up to 0.
      const bytes = hexAfter(line, /^:((?:[0-9a-f]{2}){5,})$/i);
      if (bytes?.[0] === undefined || bytes.length !== bytes[0] + 5) return 'no';
      return (sum(bytes) & 0xff) === 0 ? 'sure' : 'like';
    },
  },
  {
    name: 'Motorola S-record',
    convert: (file) => `objcopy -I srec -O binary ${file} IMAGE`,
    looksLike(line) {
      // The length counts what follows it; all of it adds up to 0xff.
      const bytes = hexAfter(line, /^S[0-9]((?:[0-9a-f]{2}){4,})$/i);
      if (bytes?.[0] === undefined || bytes.length !== bytes[0] + 1) return 'no';
      return (sum(bytes) & 0xff) === 0xff ? 'sure' : 'like';
    },
  },
  {
    name: 'TI-TXT',
    convert: (file) => `srec_cat ${file} -ti_txt -o IMAGE -binary`,
    looksLike(line) {
      if (/^@[0-9a-f]{2,8}$/i.test(line)) return 'sure';
      return line === 'q' || /^[0-9a-f]{2}( [0-9a-f]{2}){0,15}$/i.test(line) ? 'like' : 'no';
    },
  },
  {
    name: 'hex dump',
    convert: (file) => `xxd -r ${file} IMAGE`,
    looksLike: (line) => (/^[0-9a-f]{8}: (?:[0-9a-f]{2,4} +){1,16}.{0,17}$/i.test(line) ? 'sure' : 'no'),
  },
  {
    name: 'hex dump',
    convert: (file) => `cut -c 11-58 ${file} | xxd -r -p > IMAGE`,
    looksLike(line) {
      if (/^[0-9a-f]{8}(?: {1,2}[0-9a-f]{2}){1,16} +\|.{1,16}\|$/i.test(line)) return 'sure';
      return line === '*' || /^[0-9a-f]{8}$/i.test(line) ? 'like' : 'no';
    },
  },
];

/**
 * What `head` is the beginning of, where each of its lines has the form of one kind of record and one of them proves it.
 * @param isWhole whether nothing comes after it
 */
export function textFormatOf(head: Uint8Array, isWhole: boolean): TextFormat | undefined {
  // Text has no such bytes, and an image soon has one.
  const bare = Buffer.from(head)
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '');
  // DOS ended texts with Ctrl-Z.
  const text = bare.endsWith('\x1a') ? bare.slice(0, -1) : bare;
  if (/[^\t\r\n\x20-\x7e]/.test(text)) return undefined;
  const all = text.split(/\r\n|\r|\n/);
  // The last one may be cut off.
  const lines = (isWhole ? all : all.slice(0, -1)).map((line) => line.trim()).filter((line) => line !== '');
  const first = lines.slice(0, LINES);
  return kinds.find(({ name, looksLike }) => {
    const seen = first.map(looksLike);
    if (name === 'TI-TXT' && seen.length < 2) return false;
    return seen.includes('sure') && !seen.includes('no');
  });
}

function hexAfter(line: string, form: RegExp): Buffer | undefined {
  const [, digits] = form.exec(line) ?? [];
  return digits === undefined ? undefined : Buffer.from(digits, 'hex');
}

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => total + byte, 0);
}
