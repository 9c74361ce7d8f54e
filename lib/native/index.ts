export type * from './types.js';
export { native } from './client.js';
