import type { Actor, Desk } from '#bot/desk.ts';
import type { Form, Post } from '#bot/model.ts';
import type { ChatPeople } from '#bot/people.ts';
import { startSlackApp } from '#bot/slack/app.ts';
import { postingClient } from '#bot/slack/client.ts';
import { openPictures } from '#bot/slack/pictures.ts';
import { slackPlatform } from '#bot/slack/platform.ts';
import { Problems } from '#bot/problems.ts';
import { startStore } from './approval.ts';
import { actorOf, type Mode, PUBLIC_URL, slackConfig, startSlack } from './slack-kit.ts';

type Named = { readonly person: Pick<Actor['person'], 'email'> };

/** Bolt with a desk of the test's own, for people whose Slack ids begin with U and who are UX@example.com. */
export async function startSlackDesk(mode: Mode, desk: Desk) {
  const store = await startStore();
  const slack = await startSlack();
  const config = slackConfig(mode, slack);
  const logged: { fields: object; text: string }[] = [];
  const keep = (fields: object, text: string) => void logged.push({ fields, text });
  const log = { info: keep, warn: keep, error: keep };
  const forgotten: string[] = [];
  const changed: string[] = [];
  const people: ChatPeople = {
    actor(account) {
      if (account.user === 'UNOBODY') return Promise.resolve({ refused: 'Nobody knows you.' });
      const email = `${account.user.toLowerCase()}@example.com`;
      const person: Actor['person'] = {
        email,
        name: account.user,
        groups: [],
        subject: email,
      } as never;
      return Promise.resolve({ actor: { account, person } });
    },
    accounts: () => Promise.resolve([]),
    forgetUser: ({ user }) => void forgotten.push(user),
  };
  for (const user of ['UANN', 'UBOB', 'UNOBODY']) slack.users.set(user, {});
  const client = postingClient(config, log);
  const pictures = openPictures(client, log);
  const app = await startSlackApp(config, {
    desk,
    people,
    publicUrl: PUBLIC_URL,
    log,
    db: store.db,
    problems: new Problems(log),
    pictures,
    changes: {
      tokens: () => void changed.push('tokens'),
      channel: (id) => void changed.push(id),
    },
  });
  const address = () => `http://127.0.0.1:${app.address?.port}`;
  return {
    slack,
    logged,
    forgotten,
    changed,
    platform: slackPlatform(client, pictures),
    actor: actorOf(mode, slack, address),
    async stop() {
      await app.close();
      await slack.close();
      await store.stop();
    },
  };
}

export type SlackDesk = Awaited<ReturnType<typeof startSlackDesk>>;
export const who = ({ person }: Named): string => person.email;

export const post = (text: string): Post => ({
  summary: text,
  parts: [{ kind: 'text', line: [text] }],
});

/** The first step of a form, and the next. */
export const first: Form = {
  id: 'first',
  title: 'What do you want?',
  submit: 'Next',
  state: 'step one',
  fields: [
    { kind: 'search', id: 'what', label: 'What', source: 'things' },
    { kind: 'text', id: 'why', label: 'Why', max: 100, optional: true },
  ],
};
export const second = (what: string): Form => ({
  id: 'second',
  title: 'For how long?',
  submit: 'Ask',
  state: what,
  parts: [{ kind: 'text', line: [what] }],
  fields: [
    {
      kind: 'choice',
      id: 'long',
      label: 'How long',
      choices: [
        { value: 'hour', label: 'An hour', about: 'the most that the rule allows' },
        { value: 'day', label: 'A day' },
      ],
      initial: 'hour',
    },
    { kind: 'time', id: 'from', label: 'From', optional: true },
  ],
});
