/** Write cycles of each page as a table that is a heat map: every cell has its number, and a shade. */
import type { ReportCollector } from './collector.js';
import { datum, markup, number, size, type Html } from './html.js';
import { plural } from './words.js';

const COLUMNS = 16;
const MAX_ROWS = 32;
const SHADES = 6;
/** Subjects that have a map. */
const MAX_MAPS = 16;

export function wearSection(collector: ReportCollector): Html {
  const { start, tally } = collector;
  const { wear } = tally.totals();
  if (wear.length === 0) return markup`<p>Not known.</p>`;
  return markup`<p>
      How often each page has been written, as the operations tell: what was committed, and what was left
      uncertain.
    </p>
    ${wear.slice(0, MAX_MAPS).map((pages, i) => subjectWear(pages, i, start?.subjects[i]?.pageSize ?? 1))}
    ${wear.length > MAX_MAPS && markup`<p>${plural(wear.length - MAX_MAPS, 'more subject')} not shown here.</p>`}`;
}

function subjectWear(pages: readonly number[], subject: number, pageSize: number): Html {
  if (pages.length === 0) return markup`<p>Subject ${subject}: too many pages to count each.</p>`;
  const worn = pages.filter((count) => count > 0);
  const all = worn.reduce((sum, count) => sum + count, 0);
  if (all === 0) return markup`<p>Subject ${subject}: no page has been written.</p>`;
  const max = worn.reduce((a, b) => Math.max(a, b), 0);
  let joined = 1;
  while (Math.ceil(pages.length / joined) > COLUMNS * MAX_ROWS) joined *= 2;
  const cells = Array.from({ length: Math.ceil(pages.length / joined) }, (_, i) =>
    pages.slice(i * joined, (i + 1) * joined).reduce((a, b) => Math.max(a, b), 0),
  );
  const rows = Array.from({ length: Math.ceil(cells.length / COLUMNS) }, (_, row) =>
    cells.slice(row * COLUMNS, (row + 1) * COLUMNS),
  );
  const perCell = joined * pageSize;
  const caption = `Subject ${String(subject)}: write cycles of ${plural(pages.length, 'page')} of ${plural(pageSize, 'byte')}${
    joined > 1 ? `; each cell is ${number(joined)} pages, and has the greatest count among them` : ''
  }`;
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
      <table class="heat">
        <caption>${caption}</caption>
        <thead>
          <tr>
            <th scope="col">Offset</th>
            ${Array.from(
              { length: Math.min(COLUMNS, cells.length) },
              (_, i) => markup`<th scope="col">+${(i * perCell).toString(16)}</th>`,
            )}
          </tr>
        </thead>
        <tbody>
          ${mapRows(rows, max, COLUMNS * perCell)}
        </tbody>
      </table>
    </div>
    <p class="small">
      Pages written: ${datum(`wear.${String(subject)}.pages`, worn.length)} of ${number(pages.length)}. All
      write cycles: ${datum(`wear.${String(subject)}.sum`, all)}. Most of one page:
      ${datum(`wear.${String(subject)}.max`, max)}. ${pageSize > 0 && `Bytes of a cell: ${size(perCell)}.`} A
      dot: not written.
    </p>`;
}

/** Rows that nothing has been written in are one. */
function mapRows(rows: readonly (readonly number[])[], max: number, perRow: number): Html[] {
  const isEmpty = (row: readonly number[] | undefined): boolean =>
    row?.every((count) => count === 0) ?? false;
  const offset = (row: number): string => `0x${(row * perRow).toString(16).padStart(4, '0')}`;
  const made: Html[] = [];
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] ?? [];
    if (!isEmpty(row)) {
      const cells = row.map((count) => markup`<td class="h${shadeOf(count, max)}">${short(count)}</td>`);
      made.push(markup`<tr><th scope="row">${offset(i)}</th>${cells}</tr>`);
      continue;
    }
    const first = i;
    while (isEmpty(rows[i + 1])) i++;
    const columns = rows[0]?.length ?? 1;
    const text = first === i ? 'not written' : `and the ${plural(i - first, 'row')} after it: not written`;
    made.push(
      markup`<tr><th scope="row">${offset(first)}</th><td class="none" colspan="${columns}">${text}</td></tr>`,
    );
  }
  return made;
}

/** 0: not written; 1 to 5: up to a fifth of the greatest count, and so on. */
function shadeOf(count: number, max: number): number {
  return count === 0 ? 0 : Math.max(Math.ceil((count / max) * (SHADES - 1)), 1);
}

/** At most four characters. */
function short(count: number): string {
  if (count === 0) return '·';
  if (count < 10_000) return String(count);
  if (count < 1_000_000) return `${String(Math.round(count / 1000))}k`;
  return `${String(Math.round(count / 1_000_000))}M`;
}
