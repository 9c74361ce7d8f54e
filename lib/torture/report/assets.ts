/** Styles and script of the page, ours and uPlot's: beside this file where the library is built, else where they come from. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Assets {
  readonly css: string;
  readonly script: string;
  /** Text of uPlot's licence. */
  readonly licence: string;
}

let known: Assets | undefined;

/** @throws Error: a file of the package is missing */
export function assets(): Assets {
  known ??= {
    css: [ofPlots('uPlot.min.css'), own('page.css')].join('\n'),
    script: [ofPlots('uPlot.iife.min.js'), own('page_time_line.js'), own('page.js')].join('\n'),
    licence: ofPlots('LICENSE', 'uPlot.LICENSE'),
  };
  for (const text of [known.css, known.script]) {
    // It stands between tags as it is.
    if (/<\/(style|script)|<!--/i.test(text)) throw new Error('a style or script would end its own element');
  }
  return known;
}

function own(name: string): string {
  return readFileSync(join(__dirname, name), 'utf8');
}

function ofPlots(name: string, beside = name): string {
  const built = join(__dirname, beside);
  if (existsSync(built)) return readFileSync(built, 'utf8');
  const folder = dirname(require.resolve('uplot/package.json'));
  return readFileSync(name === 'LICENSE' ? join(folder, name) : join(folder, 'dist', name), 'utf8');
}
