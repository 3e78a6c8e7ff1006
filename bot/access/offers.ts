import { createHash } from 'node:crypto';
import { lengthOf } from '#src/approval/access.ts';
import type { Grant } from '#src/approval/request.ts';
import type { Choice } from '../model.ts';
import type { Offered } from '../office.ts';
import { approvers, plain, timesOf } from './words.ts';

/** An opaque name that means something only among what the same person is offered. */
export const offerKey = ({ action, target, role }: Offered): string =>
  createHash('sha256')
    .update(JSON.stringify([action, target, role]))
    .digest('hex')
    .slice(0, 24);

/** `at once`, or who has to agree. */
export function termsOf({ access }: Offered): string {
  if (access.kind === 'hold') return `${approvers(access)} agrees`;
  return access.terms.fresh ? 'at once, after a fresh sign-in' : 'at once';
}

const isOf =
  ({ target, role }: Offered) =>
  (grant: Grant): boolean =>
    grant.target === target && grant.role === role;

export function choiceOf(offer: Offered, have: readonly Grant[]): Choice {
  const { target, role, access } = offer;
  const own = have.find(isOf(offer));
  return {
    value: offerKey(offer),
    label: `${target}: ${role}${own ? ' (you have it)' : ''}`,
    about: own
      ? plain(timesOf(own))
      : `at most ${lengthOf(access.terms.longestMs)}, ${termsOf(offer)}`,
  };
}

/** Those in whose target or role what was typed occurs. */
export function matching(offers: readonly Offered[], typed: string): readonly Offered[] {
  const words = typed.toLowerCase().split(/\s+/u);
  return offers.filter(({ target, role }) =>
    words.every((word) => `${target} ${role}`.toLowerCase().includes(word)),
  );
}
