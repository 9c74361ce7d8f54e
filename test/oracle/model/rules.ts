/** Where this library answers otherwise than the kernel on purpose; see deviations.json for what each means. */
export const RULES = ['D9', 'D11', 'D12', 'D16', 'D17', 'D18', 'D19', 'D20', 'bounds'] as const;

export type Rule = (typeof RULES)[number];
export type Rules = ReadonlySet<Rule>;

export const SERIES: Rules = new Set();
export const OURS: Rules = new Set(RULES);
