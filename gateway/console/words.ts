import type { Request, RequestState } from '#src/approval/request.ts';
import type { Requirement } from '#src/policy/verdict.ts';
import { inTurns } from '#src/policy/words.ts';
import { html, type Html } from './html.ts';

type Tone = 'wait' | 'good' | 'bad' | 'still';

export const STATES: Readonly<
  Record<RequestState, { readonly name: string; readonly tone: Tone; readonly says: string }>
> = {
  pending: { name: 'Waiting', tone: 'wait', says: 'The statement waits on its live connection.' },
  approved: { name: 'Approved', tone: 'good', says: 'Approved; the gateway is about to run it.' },
  granted: { name: 'Granted', tone: 'good', says: 'Granted. What became of it is below.' },
  running: { name: 'Running', tone: 'good', says: 'Approved, and running now.' },
  done: { name: 'Done', tone: 'good', says: 'Approved, and it ran.' },
  unknown: {
    name: 'Unknown',
    tone: 'bad',
    says: 'It was approved and started; the gateway lost sight of it, so nobody knows whether it took effect.',
  },
  denied: { name: 'Denied', tone: 'bad', says: 'Denied. It did not run.' },
  expired: { name: 'Expired', tone: 'still', says: 'Nobody decided in time. It did not run.' },
  withdrawn: {
    name: 'Withdrawn',
    tone: 'still',
    says: 'The requester withdrew it. It did not run.',
  },
  abandoned: {
    name: 'Abandoned',
    tone: 'still',
    says: 'Its connection or gateway went away. It did not run.',
  },
  changed: {
    name: 'Changed',
    tone: 'bad',
    says: 'What it would do changed while it waited. It did not run.',
  },
  refused: {
    name: 'Refused',
    tone: 'bad',
    says: 'The rules changed while it waited, and refuse it now. It did not run.',
  },
};

export const badge = (text: string, tone: Tone): Html =>
  html`<span class="badge ${tone}">${text}</span>`;

export const stateBadge = (state: RequestState): Html =>
  badge(STATES[state].name, STATES[state].tone);

export function verdictBadge(verdict: string | undefined): Html | undefined {
  if (verdict === undefined) return undefined;
  const tones: Readonly<Record<string, Tone>> = {
    allow: 'good',
    approved: 'good',
    hold: 'wait',
    deny: 'bad',
  };
  return badge(verdict, tones[verdict] ?? 'still');
}

/** `2026-11-20 20:14:03 UTC` */
export function when(iso: string): Html {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return html`${iso}`;
  const text = at.toISOString();
  return html`<time datetime="${text}">${text.slice(0, 10)} ${text.slice(11, 19)} UTC</time>`;
}

/** `45 s`, `14 min`, `3 h 5 min` */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const HOUR_MS = 3_600_000;

/** A length that somebody chose: `8 h`, `7 d`. */
export function wholeDuration(ms: number): string {
  if (ms % HOUR_MS !== 0) return duration(ms);
  return ms > 24 * HOUR_MS && ms % (24 * HOUR_MS) === 0
    ? `${ms / HOUR_MS / 24} d`
    : `${ms / HOUR_MS} h`;
}

/** The page's script counts it down; without the script it is as of the answer. */
export const timeLeft = (request: Request): Html =>
  html`<time class="left" datetime="${request.expiresAt}" data-left
    >${duration(Date.parse(request.expiresAt) - Date.now())} left</time
  >`;

/** `one person of dba and 2 people of security, then one person of platform` */
export const approvers = (requirement: Requirement): string =>
  inTurns(
    requirement.groups,
    ({ group, quorum }) => `${quorum === 1 ? 'one person' : `${quorum} people`} of ${group}`,
  );

/** A line of a statement for lists. What is left out is said. */
export function shortened(text: string, most = 160): string {
  const characters = Array.from(text);
  if (characters.length <= most) return text;
  return `${characters.slice(0, most).join('')} … (${characters.length - most} more characters)`;
}

/** `session-start` as people write it. */
export function kindName(kind: string): string {
  return kind.charAt(0).toUpperCase() + kind.slice(1).replaceAll('-', ' ');
}

/** `1,203`; the same in every country. */
export const count = (number: number): string => number.toLocaleString('en-US');

/** `17 B`, `3.2 kB`, `1.5 MB` */
export function size(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const [number, unit] = bytes < 1_000_000 ? [bytes / 1_000, 'kB'] : [bytes / 1_000_000, 'MB'];
  return `${number.toFixed(number < 10 ? 1 : 0)} ${unit}`;
}
