/** The kernel's own face of the memories: its functions by their names, and the files that it shows of them. */
export { NvmemKernelApi } from './kernel_api.js';
export { compatFilesOf, filesOf } from './user_files.js';
export type { NvmemFile, NvmemFiles, NvmemFileStat, NvmemOpenOptions } from './user_files.js';

/** All of it, for those who write `import NAME from`: what `require()` gives. */
// eslint-disable-next-line @typescript-eslint/consistent-type-imports -- a module cannot import itself by name without a circle
export default exports as typeof import('./index.js');
