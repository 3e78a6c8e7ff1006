import { lengthOf } from '#src/approval/access.ts';
import type { Grant, Request } from '#src/approval/request.ts';
import type { Button, Line, Part, Post } from '../model.ts';
import { fit, oneLine } from '../text.ts';
import { inConsole, type Shown } from './posts.ts';
import { bold, roleOn, timesOf, when } from './words.ts';

const REASON_MAX = 500;

const reviewersOf = ({ reviewers }: Grant): string =>
  (reviewers.length > 0 ? reviewers : ['security']).join(' or ');

/** What everybody who approves and whoever is on call is told; it is edited until somebody has reviewed it. */
export function glassPost(
  request: Request,
  grant: Grant,
  groups: readonly string[],
  shown: Shown,
): Post {
  const reviewed = grant.reviewedBy !== undefined;
  const title = reviewed ? 'Glass broken, reviewed' : 'Glass broken, review needed';
  const who = `${request.card.person.name} (${grant.person})`;
  return {
    summary: `${title}: ${roleOn(grant)}`,
    title,
    parts: [
      ...(groups.length > 0 && !reviewed ? [tell(groups)] : []),
      {
        kind: 'text',
        line: [
          bold(oneLine(who)),
          ` took ${roleOn(grant)} for ${lengthOf(grant.durationMs)}: it `,
          ...timesOf(grant),
        ],
      },
      { kind: 'facts', facts: [{ label: 'Reason', text: reasonOf(request) }] },
      { kind: 'text', line: reviewLine(grant) },
      {
        kind: 'buttons',
        buttons: [...(reviewed ? [] : [reviewButton(grant)]), inConsole(request, shown)],
      },
    ],
  };
}

/** To the same thread, and to who may review it. */
export function reminderPost(grant: Grant, count: number, shown: Shown): Post {
  const title = `Break-glass waits for its review: ${roleOn(grant)}`;
  return {
    summary: title,
    title,
    parts: [
      {
        kind: 'text',
        line: [
          `${grant.person} took ${roleOn(grant)}; it `,
          ...timesOf(grant),
          `. ${reviewersOf(grant)} reviews it. This is reminder ${count}; the next comes in a day.`,
        ],
      },
      {
        kind: 'buttons',
        buttons: [
          reviewButton(grant),
          ...(grant.request === undefined ? [] : [inConsole({ id: grant.request }, shown)]),
        ],
      },
    ],
  };
}

export const reviewButton = (grant: Grant): Button => ({
  label: 'File the review…',
  action: 'access-review',
  value: grant.id,
  opens: 'form',
  hint: `Review what ${grant.person} did as ${roleOn(grant)}`.slice(0, 75),
});

const tell = (groups: readonly string[]): Part => ({
  kind: 'text',
  line: groups.flatMap((group): Line => [{ text: `@${group}`, notify: group }, ' ']),
});

function reviewLine(grant: Grant): Line {
  const { reviewedBy, reviewedAt, state } = grant;
  if (reviewedBy !== undefined && reviewedAt !== undefined)
    return [bold(`Reviewed by ${reviewedBy}`), ', ', when(reviewedAt)];
  return [
    state === 'ended'
      ? `It waits for the review of ${reviewersOf(grant)}, other than who took it.`
      : `When it has ended, ${reviewersOf(grant)} reviews what was done, other than who took it.`,
  ];
}

function reasonOf({ card }: Request): string {
  const { text, cut } = fit(oneLine(card.reason ?? ''), REASON_MAX);
  return cut > 0 ? `${text}…` : text;
}
