import type { Check } from './check.ts';

/** More than this and expiries, which the store's clock decides, look wrong to people. */
const CLOCK_MS = 1_000;

/** How far another machine's clock is from ours; `asked` and `answered` are ours around the question. */
export function clock(whose: string, there: number, asked: number, answered = asked): Check {
  // Between the two we cannot tell.
  const off = there < asked ? asked - there : Math.max(0, there - answered);
  const well = off <= CLOCK_MS;
  return {
    what: `${whose}: clock`,
    state: well ? 'ok' : 'warn',
    found: `differs from ours by ${(off / 1000).toFixed(1)} s`,
    ...(!well && { next: 'synchronise both machines with NTP' }),
  };
}
