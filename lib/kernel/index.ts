/** The kernel's own face of the memories: its functions by their names, and the files that it shows of them. */
export { NvmemKernelApi } from './kernel_api.js';
export { compatFilesOf, filesOf } from './user_files.js';
export type { NvmemFile, NvmemFiles, NvmemFileStat, NvmemOpenOptions } from './user_files.js';
