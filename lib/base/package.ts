/** The folder of this package. */
import { join } from 'node:path';

/**
 * Two levels above both lib/base and dist/base. Undefined where a bundler has made an ES module of this file; in any other
 * bundle it is some folder that is not the package's.
 */
export const packageFolder: string | undefined =
  typeof __dirname === 'string' ? join(__dirname, '..', '..') : undefined;

/** A file of the package. */
export function inPackage(...names: readonly string[]): string {
  return join(packageFolder ?? '', ...names);
}
