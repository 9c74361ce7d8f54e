/** The recorded cases and the list of what is meant to differ from them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import type { Case } from './types.js';

export interface Deviations {
  /** A rule by its name: what this library does instead, and why. */
  readonly rules: Record<string, string>;
  /** By case and rule: the operations that differ (-1: the order of events in a case with threads). */
  readonly cases: Record<string, Record<string, number[]>>;
}

export function readCases(): Case[] {
  const text = gunzipSync(readFileSync(join(__dirname, 'cases.jsonl.gz'))).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Case);
}

export function readDeviations(): Deviations {
  return JSON.parse(readFileSync(join(__dirname, 'deviations.json'), 'utf8')) as Deviations;
}
