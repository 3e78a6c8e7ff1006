import type { Summary, Times } from '#src/audit/summary/summary.ts';
import type { Unusual } from '#src/audit/summary/unusual.ts';
import type { Line, Part, Post, Span } from '../model.ts';
import type { Summed } from '../office.ts';
import { duration, oneLine } from '../text.ts';
import { chartsOf } from './charts.ts';

export type SummaryView = {
  readonly title: string;
  readonly publicUrl: string;
  /** Of the times under charts. */
  readonly timeZone: string;
  /** Said under the title, such as which targets it is about. */
  readonly about: string;
};

/** Slack takes about 12,000 characters of blocks; pictures are not among them. */
const MOST_CHARACTERS = 8_500;

/** A summary as a message: every number leads to the search that shows what it counts. */
export function summaryPost(summed: Summed, view: SummaryView): Post {
  for (const most of [6, 4, 2, 1]) {
    const post = postOf(summed, view, most);
    const bare = post.parts.filter(({ kind }) => kind !== 'image');
    if (most === 1 || JSON.stringify(bare).length <= MOST_CHARACTERS) return post;
  }
  throw new Error('the last of these is always taken');
}

/** The look itself is among those that are not counted yet. */
const USUALLY_BEHIND = 100;
/** Longer ones are refused on a button. */
const LONGEST_LINK = 2_900;

/** The page of the console that shows what a search finds. */
export function searchLink(publicUrl: string, query: string): string {
  const link = `${publicUrl}/records?q=${encodeURIComponent(query.toWellFormed())}`;
  return link.length > LONGEST_LINK ? `${publicUrl}/records` : link;
}

/** Verdicts as people say them. */
export const VERDICTS: Readonly<Record<string, string>> = {
  allow: 'allowed',
  hold: 'held',
  deny: 'refused',
  approved: 'run on an approval',
};

type Linked = (text: string, query: string) => Span;

function postOf({ summary, charted }: Summed, view: SummaryView, most: number): Post {
  const { publicUrl, timeZone, title, about } = view;
  const linked: Linked = (text, query) => ({ text, link: searchLink(publicUrl, query) });
  const counted = (lines: Summary['targets']): readonly Line[] =>
    lines
      .slice(0, most)
      .map(({ value, count, query }) => [`${oneLine(value)}: `, linked(number(count), query)]);
  const { statements, verdicts, targets, people, refused, from, to, behind } = summary;
  return {
    summary: `${title}: ${number(statements)} statements`,
    title,
    parts: [
      {
        kind: 'note',
        line: [
          `${about} · `,
          { text: minute(from), at: from },
          ' to ',
          { text: minute(to), at: to },
          ...(behind > USUALLY_BEHIND
            ? [` · up to ${number(behind)} records are not counted yet`]
            : []),
        ],
      },
      {
        kind: 'text',
        line: [
          { text: `${number(statements)} statements`, style: 'bold' },
          ...verdicts.flatMap(({ value, count, query }) => [
            ' · ',
            linked(`${number(count)} ${VERDICTS[value] ?? oneLine(value)}`, query),
          ]),
        ],
      },
      ...heldParts(summary, linked, most),
      ...listOf('By target', counted(targets)),
      ...listOf('By person', counted(people)),
      ...listOf('Refused by a rule', counted(refused)),
      ...listOf('Break-glass', glassLines(summary, linked, most)),
      ...listOf(
        'Unusual for whoever did it',
        summary.unusual.slice(0, most).map((one) => unusualLine(one, linked)),
      ),
      ...chartsOf(charted, targets, timeZone),
    ],
  };
}

function heldParts({ held }: Summary, linked: Linked, most: number): readonly Part[] {
  if (held.count === 0) return [];
  const ends = held.decisions.flatMap(({ value, count, query }, i) => [
    ...(i === 0 ? [] : [' · ']),
    linked(`${number(count)} ${oneLine(value)}`, query),
  ]);
  const fast = held.times ? [`; decided ${timesText(held.times)}`] : [];
  const line: Line = ['Of what was held: ', ...ends, ...fast];
  const who = held.approvers
    .slice(0, most)
    .map(({ value, approved, denied, query, ...times }): Line => [
      `${oneLine(value)}: `,
      linked(`${number(approved)} approved, ${number(denied)} denied`, query),
      `, ${timesText(times)}`,
    ]);
  return [{ kind: 'text', line }, ...listOf('Decided by', who)];
}

const timesText = ({ medianMs, p90Ms }: Times): string =>
  `half within ${duration(medianMs)}, nine of ten within ${duration(p90Ms)}`;

function glassLines({ breakGlass }: Summary, linked: Linked, most: number): readonly Line[] {
  return breakGlass
    .slice(0, most)
    .map(({ person, role, target, at, count, query, reviewedBy }) => [
      `${oneLine(person)} took ${oneLine(role)} on ${oneLine(target)} at `,
      { text: minute(at), at },
      ': ',
      linked(`${number(count)} statements`, query),
      reviewedBy === undefined ? ', not reviewed yet' : `, reviewed by ${oneLine(reviewedBy)}`,
    ]);
}

function unusualLine(
  { kind, person, target = '', table = '', count, usual, query }: Unusual,
  linked: Linked,
): Line {
  const who = oneLine(person);
  const than = usual === undefined ? '' : `, usually ${number(usual)}`;
  switch (kind) {
    case 'first-use':
      return [
        `${who} used ${oneLine(table)} on ${oneLine(target)} for the first time: `,
        linked(`${number(count)} statements`, query),
      ];
    case 'off-hours':
      return [`${who} outside working hours: `, linked(`${number(count)} statements`, query)];
    case 'statements':
    case 'rows':
      return [`${who}: `, linked(`${number(count)} ${kind}`, query), than];
    default:
      return kind satisfies never;
  }
}

function listOf(title: string, items: readonly Line[]): readonly Part[] {
  if (items.length === 0) return [];
  return [
    { kind: 'text', line: [{ text: title, style: 'bold' }] },
    { kind: 'list', items },
  ];
}

const number = (count: number): string => count.toLocaleString('en');
/** Where a platform cannot show it in the reader's own time zone. */
export const minute = (at: string): string => `${at.slice(0, 16).replace('T', ' ')} UTC`;
