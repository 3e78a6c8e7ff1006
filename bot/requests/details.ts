import type { Request } from '#src/approval/request.ts';
import { messageOf } from '../message.ts';
import type { Part, Post } from '../model.ts';
import { fit, oneLine } from '../text.ts';
import { became, sameText } from '../told.ts';
import { said } from './card.ts';

const TEXT_MAX = 200;
const DETAIL_MAX = 500;

/** What somebody may read of a request who may see more than a channel does; masked like the card. */
export function detailsPost(request: Request, publicUrl: string): Post {
  const { card, requirement } = request;
  const message = messageOf(request, publicUrl, 0);
  const { before = [], same } = card;
  const needs = requirement.groups
    .map(({ group, quorum }) => `${quorum} of ${group}`)
    .join(' and ');
  const parts: (Part | undefined)[] = [
    line('Rules', card.rules.join(', ')),
    line('Needs', [needs, ...asksAlso(request)].join('; ')),
    line('The same before', same ? sameText(same) : 'never decided'),
    before.length === 0 ? undefined : said('Before it, in its session'),
    before.length === 0
      ? undefined
      : {
          kind: 'list',
          items: before.map((one) => [
            { text: fit(oneLine(one.text), TEXT_MAX).text, style: 'code' as const },
            ` ${one.verdict}, ${became(one)}${one.rows === undefined ? '' : `, ${one.rows} rows`}`,
          ]),
        },
    card.digest === '' ? undefined : line('Digest', card.digest),
    {
      kind: 'note',
      line: [
        'Only you see this. What is hidden is shown to who may see it ',
        { text: 'in the console', link: message.reviewUrl },
        '.',
      ],
    },
  ];
  return {
    summary: `Details of the request on ${oneLine(card.target)}`,
    title: 'Details',
    parts: parts.filter((part) => part !== undefined),
  };
}

const line = (label: string, text: string): Part =>
  said(label, fit(oneLine(text), DETAIL_MAX).text);

function asksAlso({ requirement }: Request): readonly string[] {
  return [
    ...(requirement.reasonRequired ? ['a reason'] : []),
    ...(requirement.stepUpMs === undefined ? [] : ['a fresh sign-in in the console']),
    ...(requirement.count ? ['the exact number of rows'] : []),
    ...(requirement.handOver ? [`may be handed over to ${requirement.handOver.join(', ')}`] : []),
    ...(requirement.reactionsVote ? ['reactions vote'] : []),
  ];
}
