import type { Grant, Request } from '#src/approval/request.ts';
import { lengthOf } from '#src/approval/access.ts';
import type { Button, Fact, Line, Part, Post } from '../model.ts';
import { fit, oneLine } from '../text.ts';
import { approvers, askedRole, bold, roleOn, timesOf, when } from './words.ts';

/** `command` is what its person writes into a terminal; absent where they cannot use it (yet, or any more). */
export type Shown = { readonly publicUrl: string; readonly command: string };

const REASON_MAX = 300;

type Said = { readonly title: string; readonly line: Line; readonly buttons: readonly Button[] };

/** What stands in the direct message to who asked, and follows the request and then its grant. */
export function askedPost(request: Request, shown: Shown): Post {
  const { grant } = request;
  const { title, line, buttons } =
    request.state === 'granted' && grant ? granted(request, grant) : waits(request, shown);
  const usable = grant !== undefined && grant.state !== 'ended';
  return {
    summary: title,
    title,
    parts: [
      { kind: 'text', line },
      { kind: 'facts', facts: factsOf(request) },
      ...decided(request),
      ...(usable ? connectParts(shown.command) : []),
      { kind: 'buttons', buttons: [...buttons, inConsole(request, shown)] },
    ],
  };
}

/** A new message, which notifies where an edit does not: what became of what was asked. Undefined: nothing to say. */
export function decidedPost(request: Request, { command }: Shown): Post | undefined {
  const { state, decisions, requirement } = request;
  // What was granted at once is news to nobody.
  const atOnce = decisions.length === 0 && requirement.stepUpMs === undefined;
  if (state === 'granted' && atOnce) return undefined;
  if (!['granted', 'denied', 'expired', 'refused'].includes(state)) return undefined;
  const title = `${titleOf(request)}: ${askedRole(request)}`;
  return {
    summary: title,
    title,
    parts: [...decided(request), ...(state === 'granted' ? connectParts(command) : [])],
  };
}

/** Somebody else, or the rules, ended it before its time. */
export function overPost(grant: Grant): Post {
  const title = `Your access has ended: ${roleOn(grant)}`;
  return {
    summary: title,
    title,
    parts: [
      { kind: 'text', line: timesOf(grant) },
      { kind: 'text', line: ['Sessions in which it was live have ended with it.'] },
    ],
  };
}

/** Some minutes before its time is over. */
export function endsPost(grant: Grant): Post {
  const title = `Ends soon: ${roleOn(grant)}`;
  return {
    summary: title,
    title,
    parts: [
      {
        kind: 'text',
        line: [
          bold(roleOn(grant)),
          ' ends ',
          ...(grant.endsAt === undefined ? ['soon'] : [when(grant.endsAt)]),
          grant.ends === 'cancel'
            ? '. What runs then is cancelled, and the sessions end.'
            : '. What runs then may finish, and the sessions end.',
        ],
      },
      { kind: 'buttons', buttons: [againButton(grant)] },
    ],
  };
}

export const backButton = (grant: Grant): Button => ({
  label: 'Give back',
  action: 'access-back',
  value: grant.id,
  hint: `Give back ${roleOn(grant)}`,
  confirm: {
    title: 'Give it back?',
    text: `${roleOn(grant)} ends at once, with the sessions in which it is live.`,
    yes: 'Give back',
  },
});

export const withdrawButton = (request: Request): Button => ({
  label: 'Withdraw',
  action: 'access-withdraw',
  value: request.id,
  hint: `Withdraw your request for ${askedRole(request)}`,
});

const againButton = (grant: Grant): Button => ({
  label: 'Ask again',
  action: 'access-again',
  value: grant.id,
  style: 'primary',
  hint: `Ask again for ${roleOn(grant)} under the same terms`,
});

export const inConsole = ({ id }: Pick<Request, 'id'>, { publicUrl }: Shown): Button => ({
  label: 'Request in the console',
  action: 'access-open',
  url: `${publicUrl}/requests/${id}`,
});

const connectParts = (command: string): readonly Part[] => [
  { kind: 'text', line: ['Connect with'] },
  { kind: 'code', text: command },
];

const TITLES: Readonly<Record<Request['state'], string>> = {
  pending: 'Asked',
  approved: 'Approved',
  granted: 'Approved',
  running: 'Approved',
  done: 'Approved',
  unknown: 'Approved',
  denied: 'Denied',
  expired: 'Nobody decided in time',
  withdrawn: 'Withdrawn',
  abandoned: 'Ended',
  changed: 'Ended',
  refused: 'Not granted',
};

function titleOf({ kind, state, grant, decisions }: Request): string {
  if (kind === 'break-glass' && state === 'pending') return 'Break-glass: sign in to take it';
  if (kind === 'break-glass' && state === 'granted') return 'Glass broken';
  return state === 'granted' && grant && decisions.length === 0 ? 'Granted' : TITLES[state];
}

/** What has no grant (yet). */
function waits(request: Request, { publicUrl }: Shown): Said {
  const { state, kind, expiresAt, id } = request;
  const title = `${titleOf(request)}: ${askedRole(request)}`;
  if (state !== 'pending') return { title, line: [ENDS[state] ?? 'It has ended.'], buttons: [] };
  if (kind === 'break-glass')
    return {
      title,
      line: ['It is yours once you have signed in anew for it, until ', when(expiresAt), '.'],
      buttons: [
        {
          label: 'Sign in and take it',
          action: 'access-sign-in',
          style: 'primary',
          url: `${publicUrl}/requests/${id}`,
        },
        withdrawButton(request),
      ],
    };
  return {
    title,
    line: [bold(approvers(request)), ' decides, until ', when(expiresAt), '.'],
    buttons: [withdrawButton(request)],
  };
}

const ENDS: Readonly<Partial<Record<Request['state'], string>>> = {
  denied: 'It was denied.',
  expired: 'Nobody decided in time. Ask again, or ask them to look.',
  withdrawn: 'It was withdrawn.',
  refused: 'The rules do not let it be granted any more.',
};

const STATES: Readonly<Record<Grant['state'], string | undefined>> = {
  waiting: undefined,
  scheduled: undefined,
  live: 'Live',
  ended: 'Ended',
};

function granted(request: Request, grant: Grant): Said {
  const { state } = grant;
  return {
    title: `${STATES[state] ?? titleOf(request)}: ${askedRole(request)}`,
    line: ['It ', ...timesOf(grant), '.'],
    buttons: [state === 'ended' ? againButton(grant) : backButton(grant)],
  };
}

function factsOf({ card, grant }: Request): readonly Fact[] {
  const { access, reason = '' } = card;
  const asked = access?.durationMs ?? 0;
  const lasts = grant?.durationMs ?? asked;
  const text = fit(oneLine(reason), REASON_MAX);
  return [
    {
      label: 'For',
      text:
        lasts === asked
          ? lengthOf(asked)
          : `${lengthOf(lasts)} (you had asked for ${lengthOf(asked)})`,
    },
    { label: 'Reason', text: text.cut > 0 ? `${text.text}…` : text.text || 'none' },
  ];
}

const decided = ({ decisions }: Request): readonly Part[] =>
  decisions.map(({ decision, person, group, reason, at }) => ({
    kind: 'text',
    line: [
      oneLine(
        `${decision === 'approve' ? 'Approved' : 'Denied'} by ${person} (${group})${
          reason === '' ? '' : `: ${fit(reason, REASON_MAX).text}`
        }, `,
      ),
      when(at),
    ],
  }));
