/** Writers of one follower, in the order in which they came, over absences. */
export interface Turn {
  /** Whether it is this one's turn. */
  readonly isNow: boolean;
  /** Calls `again` when it becomes so. */
  onNow(again: () => void): () => void;
  /** To be called once, whether it had its turn or not. */
  end(): void;
}

class Entry {
  again: (() => void) | undefined;
}

export class Turns {
  readonly #entries = new Set<Entry>();

  enter(): Turn {
    const entry = new Entry();
    const entries = this.#entries;
    entries.add(entry);
    return {
      get isNow(): boolean {
        return first(entries) === entry;
      },
      onNow: (again) => {
        entry.again = again;
        return () => {
          entry.again = undefined;
        };
      },
      end: () => {
        const wasFirst = first(entries) === entry;
        entries.delete(entry);
        if (wasFirst) first(entries)?.again?.();
      },
    };
  }
}

function first(entries: ReadonlySet<Entry>): Entry | undefined {
  for (const entry of entries) return entry;
  return undefined;
}
