/** What is counted, as text for Prometheus: `nvmem/metrics`. */
export { contentType, metrics } from './metrics.js';
export type { MetricsOptions } from './metrics.js';

/** All of it, for those who write `import NAME from`: what `require()` gives. */
// eslint-disable-next-line @typescript-eslint/consistent-type-imports -- a module cannot import itself by name without a circle
export default exports as typeof import('./index.js');
