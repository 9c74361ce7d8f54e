/**
 * The typed face of the addon: promises over native completions. The public API never re-exports it.
 *
 * C++ returns codes; nothing in here throws for a device's sake. `lib/core` turns outcomes into errors.
 */
export { native } from './client.js';
export type * from './types.js';
