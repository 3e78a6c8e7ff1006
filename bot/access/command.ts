import { parseDuration } from '#src/policy/duration.ts';
import type { Act, Answer } from '../desk.ts';
import type { Part, Post } from '../model.ts';
import { askNow, isRefused, openPick, orRefused, type AskParts } from './ask.ts';
import { termsForm } from './forms.ts';
import { overview } from './home.ts';
import { roleOn } from './words.ts';

type Command = Act & { readonly text: string };
type Kind = 'access' | 'break-glass';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `/access …`; nothing in it says for whom: it is always whoever writes it. */
export async function accessCommand(parts: AskParts, act: Command): Promise<Answer> {
  const words = act.text.trim().split(/\s+/u).filter(Boolean);
  const [first, ...rest] = words;
  switch (first) {
    case undefined:
      return await openPick(parts, act.actor, 'request');
    case 'help':
      return { show: helpPost() };
    case 'list':
      return { show: await overview(parts, act.actor, 'message') };
    case 'end':
      return await end(parts, act, rest);
    case 'break-glass':
      return rest.length === 0
        ? await openPick(parts, act.actor, 'break-glass')
        : await ask(parts, act, 'break-glass', rest);
    default:
      return await ask(parts, act, 'access', words);
  }
}

/** `<target> <role> [2h] [reason]`; the target and the role alone open the form with their terms. */
async function ask(
  parts: AskParts,
  { actor }: Command,
  kind: Kind,
  [target = '', role, ...rest]: readonly string[],
): Promise<Answer> {
  if (role === undefined) return { tell: `Name a role too, or write /access alone. ${USAGE}` };
  if (rest.length === 0) return await openTerms(parts, actor, kind, { target, role });
  const durationMs = parseDuration(rest[0] ?? '');
  const reason = (durationMs === undefined ? rest : rest.slice(1)).join(' ');
  return await askNow(parts, actor, {
    kind,
    target,
    role,
    reason,
    ...(durationMs !== undefined && { durationMs }),
  });
}

async function openTerms(
  { office }: AskParts,
  { person }: Command['actor'],
  kind: Kind,
  named: { readonly target: string; readonly role: string },
): Promise<Answer> {
  const action = kind === 'access' ? 'request' : kind;
  const offer = (await office.offers(person)).find(
    (one) => one.action === action && one.target === named.target && one.role === named.role,
  );
  if (!offer)
    return {
      tell: `No rule lets you ${kind === 'access' ? 'ask for' : 'break the glass for'} ${roleOn(named)}. /access shows what you may ask for.`,
    };
  const have = await office.grants(person, { person: person.email, open: true });
  return { form: termsForm(offer, have) };
}

/** `end` shows what can be given back; `end <target> <role>` gives it back; `end <grant> <reason>` ends one of others. */
async function end(
  parts: AskParts,
  { actor }: Command,
  [first = '', second = '', ...rest]: readonly string[],
): Promise<Answer> {
  const { office } = parts;
  const { person } = actor;
  if (first === '') return { show: await overview(parts, actor, 'message') };
  if (UUID.test(first)) {
    const done = await orRefused(office.endGrant(person, first, [second, ...rest].join(' ')));
    return { tell: isRefused(done) ? done.failed.message : `Ended: ${roleOn(done)}.` };
  }
  const named = { target: first, role: second };
  const own = await office.grants(person, { person: person.email, target: first, open: true });
  const grants = own.filter(({ role }) => role === second);
  if (grants.length === 0)
    return { tell: `You do not have ${roleOn(named)}. /access list shows what you have.` };
  const done = await Promise.all(
    grants.map(({ id }) => orRefused(office.endGrant(person, id, ''))),
  );
  const failed = done.find(isRefused);
  return { tell: failed ? failed.failed.message : `Given back: ${roleOn(named)}.` };
}

const USAGE = '/access help says how.';

const HELP: readonly (readonly [string, string])[] = [
  ['/access', 'a form with everything that you may ask for'],
  ['/access shop writer', 'the form with the terms of this role'],
  ['/access shop writer 2h OPS-12: repair order 17', 'asks at once: target, role, time, reason'],
  ['/access break-glass', 'for the night when nobody can approve'],
  ['/access list', 'what you have, what you asked for, and what waits for you'],
  ['/access end shop writer', 'gives it back'],
  ['/access end GRANT why', 'ends a grant of somebody else, where you may'],
];

export const helpPost = (): Post => ({
  summary: 'How to ask for access',
  title: 'How to ask for access',
  parts: [
    {
      kind: 'list',
      items: HELP.map(([command, text]) => [{ text: command, style: 'code' }, `: ${text}`]),
    },
    askPart,
  ],
});

export const askPart: Part = {
  kind: 'buttons',
  buttons: [
    {
      label: 'Ask for access',
      action: 'access-ask',
      value: 'request',
      opens: 'form',
      style: 'primary',
      hint: 'Opens the form in which you ask for access',
    },
  ],
};
