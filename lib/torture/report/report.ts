import { randomBytes } from 'node:crypto';
import { open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { TortureEvent } from '../events.js';
import { ReportCollector } from './collector.js';
import { pageOf } from './document.js';

/** Events of a run in order, or what has collected them. */
export type ReportSource = ReportCollector | Iterable<TortureEvent> | AsyncIterable<TortureEvent>;

/** What collects `events`. */
export async function collect(
  events: Iterable<TortureEvent> | AsyncIterable<TortureEvent>,
): Promise<ReportCollector> {
  const collector = new ReportCollector();
  for await (const event of events) collector.add(event);
  return collector;
}

/** The report of a run as one HTML document. A run without a verdict is shown as one that was cut off. */
export async function renderReport(source: ReportSource): Promise<string> {
  const collector = source instanceof ReportCollector ? source : await collect(source);
  return pageOf(collector, false).html;
}

/**
 * Writes the report whole or not at all: into a new file beside `file`, which takes its place once it is on the disk. A symbolic
 * link stays, and what it leads to is written; what is no regular file (a pipe, a device) is written as it is.
 * @throws Error of the file system: ENOSPC, EACCES …
 */
export async function writeReport(file: string, source: ReportSource): Promise<void> {
  const text = await renderReport(source);
  const there = await stat(file).catch(() => undefined);
  if (there && !there.isFile()) {
    await writeFile(file, text);
    return;
  }
  const target = there ? await realpath(file) : file;
  const temporary = join(dirname(target), `.nvmem-${randomBytes(6).toString('hex')}.tmp`);
  try {
    const handle = await open(temporary, 'wx', there ? there.mode & 0o777 : 0o666);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
