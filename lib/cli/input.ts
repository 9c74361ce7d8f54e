/** What is to be written or compared: a file, standard input, or a few bytes on the command line. */
import { NvmemError } from '../base/errors.js';
import { sizeOf } from '../uri/uri.js';
import { CliError, CommandFailure } from './failure.js';
import { inputSize, isStdin, readInput } from './files.js';
import { bytes } from './format.js';
import type { Session } from './session.js';
import { SNIFF_BYTES, textFormatOf } from './text_formats.js';
import { parseUriArgument } from './uri_argument.js';

export interface InputOptions {
  /** Bytes in hexadecimal, instead of a file. */
  readonly hex?: string;
  /** Text, as UTF-8, instead of a file. */
  readonly text?: string;
  /** Take the file as it is, whatever it looks like. */
  readonly raw?: boolean;
}

export interface Input {
  /** What messages call it. */
  readonly name: string;
  /** Undefined: from the command line. */
  readonly file: string | undefined;
  readonly data: Buffer;
}

/**
 * The bytes; too many are refused before the bridge is touched, where the URI tells the size, and so is what cannot be meant.
 * @throws CliError, CommandFailure
 */
export async function loadInput(
  session: Session,
  uri: string,
  file: string | undefined,
  offset: number,
  options: InputOptions,
): Promise<Input> {
  const input = await bytesOf(session, uri, file, offset, options);
  if (input.data.length === 0) {
    throw new CliError(
      'EINVAL',
      `${input.name} has no byte`,
      'Check where it comes from; nothing was done.',
      2,
    );
  }
  const size = sizeOf(parseUriArgument(uri));
  if (size !== undefined) checkFits(input.name, input.data.length, offset, size, uri);
  return input;
}

async function bytesOf(
  session: Session,
  uri: string,
  file: string | undefined,
  offset: number,
  { hex, text, raw = false }: InputOptions,
): Promise<Input> {
  const given = [file, hex, text].filter((one) => one !== undefined);
  if (given.length !== 1) {
    const what =
      given.length === 0 ? 'there is nothing to take bytes from' : 'there is more than one source of bytes';
    throw new CliError('ERR_USAGE', what, 'Give one of FILE, --hex BYTES and --text STRING.', 2);
  }
  if (hex !== undefined) return { name: '--hex', file: undefined, data: parseHex(hex) };
  if (text !== undefined) return { name: '--text', file: undefined, data: Buffer.from(text) };
  const path = file ?? '-';
  const name = isStdin(path) ? 'standard input' : path;
  const size = sizeOf(parseUriArgument(uri));
  const length = await inputSize(path);
  const room = size === undefined ? Number.MAX_SAFE_INTEGER - 1 : Math.max(size - offset, 0);
  const data = await readInput(path, session.io.stdin, Math.max(room, SNIFF_BYTES), session.io.signal);
  if (!raw) {
    const format = textFormatOf(data.subarray(0, SNIFF_BYTES), data.length <= SNIFF_BYTES);
    if (format) {
      throw new CliError(
        'EINVAL',
        `${name} is text (${format.name}) that says which bytes go where, not the bytes themselves`,
        `Make an image of it: ${format.convert(isStdin(path) ? 'FILE' : shellWord(path))}. --raw takes the text as it is.`,
        2,
      );
    }
  }
  if (size !== undefined && length !== undefined) checkFits(name, length, offset, size, uri);
  return { name, file: path, data };
}

/** As a shell reads it as one word. */
function shellWord(text: string): string {
  return /^[\w./@%+,:=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** 'de ad be ef', 'DEADBEEF', '0xde,0xad': pairs of digits, and between them what people put there. @throws CliError */
function parseHex(text: string): Buffer {
  const digits = text.trim().replace(/(^|[\s,:;_-])0x/gi, '$1');
  // Separators stand between bytes, not inside one: '1 23' is a mistake, and nobody knows which.
  if (!/^(?:[0-9a-f]{2})*(?:[\s,:;_-]+(?:[0-9a-f]{2})+)*[\s,;]*$/i.test(digits)) {
    throw new CliError(
      'EINVAL',
      `--hex ${JSON.stringify(text)} is not pairs of hexadecimal digits`,
      "For example --hex 'de ad be ef' or --hex deadbeef.",
      2,
    );
  }
  return Buffer.from(digits.replace(/[\s,:;_-]/g, ''), 'hex');
}

export function checkFits(name: string, length: number, offset: number, size: number, uri: string): void {
  if (length + offset <= size) return;
  const at = offset === 0 ? '' : ` from offset ${String(offset)} on`;
  const more = name === 'standard input' ? 'more than fits' : bytes(length);
  throw new CommandFailure(
    new NvmemError(
      'EFBIG',
      `${name} does not fit: it has ${more}, the device ${bytes(Math.max(size - offset, 0))}${at}`,
      {
        syscall: 'write',
        device: uri,
      },
    ),
    { uri, file: name, offset, bytes: length, size },
    ['nothing was written'],
  );
}
