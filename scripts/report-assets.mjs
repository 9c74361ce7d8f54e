// Puts what the report of `nvmem torture` is made of beside its code: our styles and script, and uPlot's with its licence.
import { copyFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const plots = dirname(createRequire(import.meta.url).resolve('uplot/package.json'));
const to = join(root, 'dist', 'torture', 'report');

mkdirSync(to, { recursive: true });
for (const name of ['page.css', 'page.js', 'page_time_line.js']) {
  copyFileSync(join(root, 'lib', 'torture', 'report', name), join(to, name));
}
for (const name of ['uPlot.iife.min.js', 'uPlot.min.css'])
  copyFileSync(join(plots, 'dist', name), join(to, name));
copyFileSync(join(plots, 'LICENSE'), join(to, 'uPlot.LICENSE'));
