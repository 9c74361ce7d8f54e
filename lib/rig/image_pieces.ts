import { readFileSync } from 'node:fs';
import { findChip } from './chips.js';
import { codeOf, messageOf } from './problem.js';
import { random } from './random.js';
import { SpecError } from './text.js';

/** A piece of a part's content; one of `bytes`, `file`, `fill` and `random` says what it is. */
export interface ImagePiece {
  /** Where it begins. Default 0. */
  readonly at?: number;
  readonly bytes?: Uint8Array;
  readonly file?: string;
  /** One byte, as often as it takes. */
  readonly fill?: number;
  /** The seed of random bytes. */
  readonly random?: number;
  /** Of `fill` and `random`: bytes. Default: up to the end. */
  readonly length?: number;
}

/**
 * The content that pieces make, on 0xff.
 * @throws SpecError for a file that cannot be read, and where a piece does not fit
 */
export function buildImage(
  pieces: readonly ImagePiece[],
  chip: string,
  what: 'array' | 'window',
): Uint8Array {
  const model = findChip(chip);
  const size = (what === 'array' ? model?.size : model?.window?.size) ?? 0;
  const image = new Uint8Array(size).fill(0xff);
  for (const piece of pieces) {
    const at = piece.at ?? 0;
    const bytes = bytesOf(piece, Math.max(0, size - at));
    if (at + bytes.length > size) {
      const where = at === 0 ? '' : ` from ${String(at)} on`;
      throw new SpecError(
        `${piece.file ?? 'the image'} has ${String(bytes.length)} bytes${where}, and the ${what} of a ${chip} only ${String(size)}`,
      );
    }
    image.set(bytes, at);
  }
  return image;
}

function bytesOf(piece: ImagePiece, rest: number): Uint8Array {
  const { bytes, file, fill, random: seed, length = rest } = piece;
  if (bytes) return bytes;
  if (file !== undefined) return readImage(file);
  if (fill !== undefined) return new Uint8Array(length).fill(fill);
  const next = random(seed ?? 1);
  return Uint8Array.from({ length }, () => Math.floor(next() * 256));
}

/** @throws SpecError */
export function readImage(file: string): Uint8Array {
  try {
    return Uint8Array.from(readFileSync(file));
  } catch (error) {
    throw new SpecError(`cannot read ${file} (${codeOf(error) ?? messageOf(error)})`);
  }
}
