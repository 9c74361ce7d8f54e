/** The recorded cases and the list of what is meant to differ from them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import type { Case } from './types.js';

/** By rule (see model/rules.ts): what this library does instead, why, and which of the recorded cases show it. */
export type Deviations = Readonly<
  Record<string, { readonly text: string; readonly cases: readonly string[] }>
>;

/** Another table in the place of ours: a file in the format of the oracle, an array or a case a line, gzipped or not. */
export const otherTable = process.env['NVMEM_ORACLE'];

export function readCases(path = join(__dirname, 'cases.jsonl.gz')): Case[] {
  const bytes = readFileSync(path);
  const text = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString('utf8').trim();
  if (text.startsWith('[')) return JSON.parse(text) as Case[];
  return text.split('\n').map((line) => JSON.parse(line) as Case);
}

export function readDeviations(): Deviations {
  return JSON.parse(readFileSync(join(__dirname, 'deviations.json'), 'utf8')) as Deviations;
}
