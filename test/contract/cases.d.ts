import type { NvmemDevice, OpenOptions } from '../../lib/index.js';

export type Capability = 'write' | 'content' | 'close' | 'wp' | 'unplug' | 'bus' | 'interrupt' | 'slow';

export interface Subject {
  readonly name: string;
  readonly can: ReadonlySet<Capability>;
  /** Bytes. */
  readonly size: number;
  /** Codes with which a part that is not there is refused. */
  readonly absent?: readonly string[];
  before?(): Promise<void>;
  after?(): Promise<void>;
  open(options: OpenOptions): Promise<NvmemDevice & { close?(): Promise<void> }>;
  openAt?(address: number): Promise<unknown>;
  content(): Promise<Buffer>;
  wpIsHigh?(): Promise<boolean>;
  arm?(fault: string): Promise<void>;
  plug?(): Promise<void>;
}

export interface Case {
  readonly name: string;
  readonly needs?: readonly Capability[];
  readonly lacks: readonly Capability[];
}

export const CAPABILITIES: Readonly<Record<Capability, string>>;
export function plan(subject: Subject): readonly Case[];
export function runCase(subject: Subject, it: Case, seed: number): Promise<void>;
