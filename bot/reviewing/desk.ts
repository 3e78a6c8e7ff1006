import type { Config } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';
import { listIncidents } from '#src/audit/incidents.ts';
import type { Act, Answer, Desk } from '../desk.ts';
import type { Line, Post } from '../model.ts';
import { notDone, type Office, type ReviewingOffice } from '../office.ts';
import { oneLine } from '../text.ts';
import { type Command, readCommand } from './command.ts';
import { nextAnswer, searchAnswer, wrongPost } from './found.ts';
import { unfurling } from './links.ts';
import { minute, summaryPost } from './summary.ts';

export type ReviewingParts = {
  readonly db: Database;
  readonly office?: Office;
  readonly config: Pick<Config, 'chat' | 'targets' | 'publicUrl'>;
};

type With = ReviewingParts & { readonly reviewing: ReviewingOffice };

/** `/audit`: summaries, searches and incidents; and what stands under links to us. */
export function reviewingDesk(parts: ReviewingParts): Desk {
  const reviewing = parts.office?.reviewing;
  if (!reviewing)
    return {
      commands: {
        audit: () =>
          Promise.resolve({
            tell: 'This gateway keeps no tree over its records, so they are not searched or summed up.',
          }),
      },
    };
  const all: With = { ...parts, reviewing };
  const found = { db: parts.db, office: reviewing, publicUrl: parts.config.publicUrl };
  return {
    commands: {
      audit({ text: written, ...act }) {
        const { text, command } = readCommand(written);
        return answered(() => run(all, act, command, text));
      },
    },
    buttons: {
      'audit-next': ({ value, ...act }) => answered(() => nextAnswer(found, act, value)),
    },
    unfurl: unfurling(reviewing, parts.config.publicUrl),
  };
}

/** A refusal is an answer, too. */
async function answered(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    const known = notDone(error);
    if (!known) throw error;
    return { tell: known.message };
  }
}

function run(parts: With, act: Act, command: Command, text: string): Promise<Answer> {
  const { reviewing: office, db, config } = parts;
  switch (command.kind) {
    case 'help':
      return Promise.resolve({ show: HELP });
    case 'wrong':
      return Promise.resolve({ show: wrongPost(text, [command]) });
    case 'summary':
      return summaryAnswer(parts, act, command);
    case 'search':
      return searchAnswer({ db, office, publicUrl: config.publicUrl }, act, command.q);
    case 'start':
      return startAnswer(parts, act, command);
    case 'stop':
      return stopAnswer(parts, act, command.name);
    case 'list':
      return listAnswer(parts, act);
    default:
      return command satisfies never;
  }
}

async function summaryAnswer(
  { reviewing, config }: With,
  { actor }: Act,
  { from, to, target }: Extract<Command, { readonly kind: 'summary' }>,
): Promise<Answer> {
  const summed = await reviewing.summary(
    actor.person,
    {
      ...(from !== undefined && { from }),
      ...(to !== undefined && { to }),
      ...(target !== undefined && { target }),
    },
    actor.account.platform,
  );
  const whose = summed.own ? 'What you did' : 'Everybody';
  return {
    show: summaryPost(summed, {
      title: 'What happened',
      publicUrl: config.publicUrl,
      timeZone: 'UTC',
      about: target === undefined ? whose : `${whose} · targets: ${target}`,
    }),
  };
}

/** Also which targets and channels there are is not everybody's to know. */
const ONLY: Answer = {
  tell: 'Only members of dba, security and oncall start, stop and see incidents. Ask one of them.',
};

async function startAnswer(
  { reviewing, config }: With,
  { actor, place }: Act,
  { name, target, note }: Extract<Command, { readonly kind: 'start' }>,
): Promise<Answer> {
  if (!reviewing.maySeeAll(actor.person)) return ONLY;
  const { platform } = actor.account;
  const known = [...config.chat.channels].find(([, ids]) => ids[platform] === place.channel);
  if (!known || place.channel === undefined)
    return {
      tell: `An incident is told to everybody in its channel, so it is started in one of the configuration: ${[...config.chat.channels.keys()].join(', ')}.`,
    };
  if (![...config.targets.keys()].some((one) => fits(target, one)))
    return {
      tell: `No target fits ${target}. There are: ${[...config.targets.keys()].join(', ')}.`,
    };
  const asked = { name, target, note, platform, channel: place.channel };
  await reviewing.startIncident(actor.person, asked);
  return {
    tell: `${name} is open. What happens on ${target} is told in a thread here, until /audit incident stop ${name}.`,
  };
}

/** The command has let through letters, digits, `_`, `-`, `.` and `*` alone. */
const fits = (glob: string, name: string): boolean =>
  new RegExp(`^${glob.replaceAll('.', String.raw`\.`).replaceAll('*', '.*')}$`).test(name);

async function stopAnswer({ reviewing }: With, { actor }: Act, name: string): Promise<Answer> {
  await reviewing.stopIncident(actor.person, name, actor.account.platform);
  return { tell: `${name} is stopped. Its timeline comes into its thread.` };
}

async function listAnswer({ db, reviewing }: With, { actor }: Act): Promise<Answer> {
  if (!reviewing.maySeeAll(actor.person)) return ONLY;
  const incidents = await listIncidents(db.pool, 20);
  if (incidents.length === 0) return { tell: 'There was no incident yet.' };
  const items = incidents.map(({ name, target, startedAt, startedBy, stoppedAt }): Line => [
    { text: name, style: 'bold' },
    stoppedAt === undefined ? ' is open · ' : ' was stopped · ',
    { text: minute(startedAt), at: startedAt },
    ` by ${oneLine(startedBy)} on ${target}`,
  ]);
  return { show: { summary: 'Incidents', parts: [{ kind: 'list', items }] } };
}

const code = (text: string, about: string): Line => [{ text, style: 'code' }, ` ${about}`];

const HELP: Post = {
  summary: 'What /audit does',
  title: 'What /audit does',
  parts: [
    {
      kind: 'list',
      items: [
        code('/audit person:engineer target:shop verdict:held', 'finds records, newest first'),
        code('/audit summary last 24h target:prod-*', 'sums up what happened'),
        code('/audit incident start INC-42 target:prod-* note', 'collects it in a thread here'),
        code('/audit incident stop INC-42', 'ends that, with a timeline and an export with proofs'),
        code('/audit incident list', 'names them'),
      ],
    },
    {
      kind: 'note',
      line: [
        'Only you see the answers. You find what you may see: members of dba, security and oncall everything, others what they did. Each search is itself recorded. A word such as summary is searched for in quotation marks.',
      ],
    },
  ],
};
