/** The recorded cases: what the Linux kernel's nvmem core answered, operation by operation. */
export type Ret = number | string;

export type TraceEvent = Record<string, string | number | null>;

export interface Answer {
  ret: Ret;
  data?: string;
  len?: number;
  value?: string;
  name?: string;
  mode?: string;
  size?: number;
  names?: string[];
  text?: string;
  stage?: string;
  trace?: TraceEvent[];
}

export interface Args {
  as?: string;
  provider?: string;
  device?: string | null;
  consumer?: string;
  con_id?: string | null;
  cell?: string;
  dev?: string;
  name?: string;
  offset?: number;
  bytes?: number;
  count?: number;
  data?: string;
  info?: CellSpec;
  file?: string;
  base?: string;
  dir?: string;
  uid?: number;
  mode?: string;
  attr?: string;
  text?: string;
  on?: 'read' | 'write';
  at?: number;
  after?: boolean;
  ret_injected?: Ret;
  value?: number;
  nb?: string;
  lookup?: LookupSpec;
  nvmem?: string;
  con?: string;
  ms?: number;
}

export interface Op extends Answer {
  op: string;
  args?: Args;
  alt?: Record<string, Answer>;
  ideal_mem?: string;
}

export interface CellSpec {
  name?: string | null;
  offset: number;
  bytes?: number;
  bit_offset?: number;
  nbits?: number;
  raw_len?: number;
  post_process?: 'reverse' | 'xor' | 'fail';
}

export interface LookupSpec {
  nvmem: string;
  cell: string;
  dev: string;
  con: string;
}

export interface ProviderSpec {
  name: string | null;
  id: 'NONE' | 'AUTO' | number;
  size: number;
  word_size?: number;
  stride?: number;
  read_only?: boolean;
  root_only?: boolean;
  ignore_wp?: boolean;
  read_only_property?: boolean;
  reg_read?: boolean;
  reg_write?: boolean;
  keepouts?: { start: number; end: number; value: number }[];
  cells?: CellSpec[];
  type?: 'Unknown' | 'EEPROM' | 'OTP' | 'Battery backed' | 'FRAM';
  compat?: boolean;
  base_dev?: boolean;
  no_dev?: boolean;
  wp?: 'none' | 'high' | 'low' | 'missing' | 'shared';
  mem?: string;
  backing_size?: number;
}

export interface NotifierSpec {
  priority: number;
  returns: 'DONE' | 'OK' | 'BAD' | 'STOP';
}

export interface Case {
  id: string;
  group: string;
  tags?: string[];
  config: {
    providers?: Record<string, ProviderSpec>;
    consumers?: Record<string, string>;
    lookups?: LookupSpec[];
    notifiers?: Record<string, NotifierSpec>;
  };
  ops: Op[];
  timeline?: TraceEvent[];
  alt_timeline?: Record<string, TraceEvent[]>;
}
