import { lengthOf } from '#src/approval/access.ts';
import type { Grant, Request } from '#src/approval/request.ts';
import type { Line, Span } from '../model.ts';
import { oneLine } from '../text.ts';

/** A time as its reader's platform shows it. */
export const when = (at: string): Span => ({ text: utc(at), at });

/** `2026-03-01 14:05 UTC`, where no platform can show it in the reader's zone. */
export const utc = (at: string): string => `${at.slice(0, 16).replace('T', ' ')} UTC`;

export const bold = (text: string): Span => ({ text, style: 'bold' });

type Named = { readonly role: string; readonly target: string };

/** `writer on shop` */
export const roleOn = ({ role, target }: Named): string => oneLine(`${role} on ${target}`);

/** The role that a request asks for. */
export const askedRole = ({ card }: Request): string =>
  roleOn({ role: card.access?.role ?? '', target: card.target });

/** `2 of dba and security`; empty where nobody has to agree. */
export const approvers = ({ requirement }: Pick<Request, 'requirement'>): string =>
  requirement.groups
    .map(({ group, quorum }) => (quorum > 1 ? `${quorum} of ${group}` : group))
    .join(' and ');

const at = (time: string | undefined): Span | string => (time === undefined ? '—' : when(time));

/** When it begins and ends, or why it has ended. */
export function timesOf(grant: Grant): Line {
  const { state, durationMs, useBy, startsAt, endsAt, endedAt, endedWhy } = grant;
  switch (state) {
    case 'waiting':
      return [
        `begins with the first connection, until `,
        at(useBy),
        `, and lasts ${lengthOf(durationMs)}`,
      ];
    case 'scheduled':
      return ['begins ', at(startsAt), ', ends ', at(endsAt)];
    case 'live':
      return ['began ', at(startsAt), ', ends ', at(endsAt)];
    case 'ended':
      return [
        'ended ',
        at(endedAt ?? endsAt ?? useBy),
        endedWhy === undefined ? '' : `: ${oneLine(endedWhy)}`,
      ];
    default:
      return state satisfies never;
  }
}

/** The same as plain text, for the choices of a form. */
export const plain = (line: Line): string =>
  line.map((span) => (typeof span === 'string' ? span : span.text)).join('');

/** Ended by somebody, or by the rules, and not by its time or its own person. */
export function endedByOthers(grant: Grant): boolean {
  const { state, endedAt, endsAt, useBy, revokedBy, person } = grant;
  const due = endsAt ?? useBy;
  if (state !== 'ended' || endedAt === undefined || due === undefined) return false;
  return Date.parse(endedAt) < Date.parse(due) && revokedBy !== person;
}
