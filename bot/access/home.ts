import type { Grant, Request } from '#src/approval/request.ts';
import type { Actor } from '../desk.ts';
import type { Button, Line, Part, Post } from '../model.ts';
import { fit, oneLine } from '../text.ts';
import type { AskParts } from './ask.ts';
import { reviewButton } from './glass.ts';
import { backButton, inConsole, withdrawButton } from './posts.ts';
import { askedRole, bold, roleOn, timesOf, when } from './words.ts';

/** Of each list, on App Home and in a message, which holds less; the console has the rest. */
const ON_HOME = 10;
const IN_MESSAGE = 3;
const TEXT_MAX = 120;

type Entry = { readonly line: Line; readonly buttons: readonly Button[] };

/** What somebody has, asked for, decides and reviews. Buttons only act for themselves; decisions are on cards. */
export async function overview(
  parts: AskParts,
  { person }: Actor,
  place: 'home' | 'message',
): Promise<Post> {
  const most = place === 'home' ? ON_HOME : IN_MESSAGE;
  const { office, publicUrl } = parts;
  const [offers, have, { own, toDecide }, unreviewed] = await Promise.all([
    office.offers(person),
    office.grants(person, { person: person.email, open: true }),
    office.waiting(person),
    office.grants(person, { unreviewed: true }),
  ]);
  const reviews = unreviewed.filter(
    ({ state, person: whose, reviewers }) =>
      state === 'ended' &&
      whose !== person.email &&
      person.groups.some((group) =>
        (reviewers.length > 0 ? reviewers : ['security']).includes(group),
      ),
  );
  const shown = { publicUrl, command: '' };
  return {
    summary: 'Your access',
    title: 'Your access',
    parts: [
      { kind: 'buttons', buttons: ways(offers) },
      ...section(
        'Waits for your review',
        { all: reviews, most, url: `${publicUrl}/access` },
        (grant) => ({
          line: [bold(roleOn(grant)), `, taken by ${grant.person}, `, ...timesOf(grant)],
          buttons: [reviewButton(grant)],
        }),
      ),
      ...section(
        'Waits for your decision',
        { all: toDecide, most, url: `${publicUrl}/` },
        (request) => ({
          line: waitLine(request, true),
          buttons: [inConsole(request, shown)],
        }),
      ),
      ...section('What you have', { all: have, most, url: `${publicUrl}/access` }, haveEntry),
      ...(have.length === 0 ? [NOTHING] : []),
      ...section('What you asked for', { all: own, most, url: `${publicUrl}/` }, (request) => ({
        line: waitLine(request, false),
        buttons: [
          ...(request.kind === 'statement' ? [] : [withdrawButton(request)]),
          inConsole(request, shown),
        ],
      })),
    ],
  };
}

const NOTHING: Part = { kind: 'note', line: ['You have no role for a time now.'] };

const haveEntry = (grant: Grant): Entry => ({
  line: [bold(roleOn(grant)), ', ', ...timesOf(grant)],
  buttons: [backButton(grant)],
});

function ways(offers: readonly { readonly action: string }[]): readonly Button[] {
  const glass = offers.some(({ action }) => action === 'break-glass');
  return [
    {
      label: 'Ask for access',
      action: 'access-ask',
      value: 'request',
      opens: 'form',
      style: 'primary',
    },
    ...(glass
      ? [
          {
            label: 'Break the glass…',
            action: 'access-glass',
            value: 'break-glass',
            opens: 'form',
            style: 'danger',
          } as const,
        ]
      : []),
  ];
}

function section<T>(
  title: string,
  { all, most, url }: { readonly all: readonly T[]; readonly most: number; readonly url: string },
  entry: (one: T) => Entry,
): readonly Part[] {
  if (all.length === 0) return [];
  const left = all.length - most;
  return [
    { kind: 'text', line: [bold(title)] },
    ...all.slice(0, most).flatMap((one): readonly Part[] => {
      const { line, buttons } = entry(one);
      return [
        { kind: 'text', line },
        { kind: 'buttons', buttons },
      ];
    }),
    ...(left > 0
      ? [
          {
            kind: 'note',
            line: [{ text: `${left} more in the console`, link: url }],
          } as const,
        ]
      : []),
  ];
}

/** Of a held statement only where, as cards have the rest. */
function waitLine(request: Request, whose: boolean): Line {
  const { kind, card, expiresAt } = request;
  const what = kind === 'statement' ? `a statement on ${oneLine(card.target)}` : askedRole(request);
  const who = whose ? `, asked by ${card.person.email}` : '';
  return [bold(fit(what, TEXT_MAX).text), `${who}, until `, when(expiresAt)];
}
