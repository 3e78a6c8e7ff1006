import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';
import type { App } from '@slack/bolt';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { accessDesk } from '#bot/access/desk.ts';
import { joinDesks } from '#bot/desk.ts';
import { reviewingDesk } from '#bot/reviewing/desk.ts';
import { registerDesk } from '#bot/slack/adapter.ts';
import {
  APP_METHOD_SCOPES,
  EVENT_SCOPES,
  FIELD_SCOPES,
  METHOD_SCOPES,
  OPTIONAL_METHODS,
} from '../../fakes/slack-scopes.ts';

type Manifest = {
  features: {
    slash_commands: { command: string; url: string }[];
    shortcuts: { callback_id: string }[];
    unfurl_domains: string[];
  };
  oauth_config: { scopes: { bot: string[]; bot_optional: string[] } };
  settings: {
    event_subscriptions: { request_url: string; bot_events: string[] };
    interactivity: { request_url: string; message_menu_options_url: string };
    socket_mode_enabled: boolean;
  };
};

const root = new URL('../../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');
const manifest = parse(await read('manifest.yml')) as Manifest;
const { features, settings } = manifest;
const { bot, bot_optional } = manifest.oauth_config.scopes;

/** Web API methods that the bot calls, as its source says. */
async function calledMethods(): Promise<readonly string[]> {
  const files = (await readdir(new URL('bot/', root), { recursive: true })).filter((file) =>
    file.endsWith('.ts'),
  );
  const source = (await Promise.all(files.map((file) => read(`bot/${file}`)))).join('\n');
  const calls = source.matchAll(
    /\bclient\s*\.((?:apps|chat|conversations|users|views|auth|reactions|usergroups|files)(?:\s*\.\w+)+)\(/g,
  );
  return [...new Set([...calls].map((hit) => (hit[1] ?? '').replace(/\s/g, '')))].toSorted();
}

const scopesOf = (methods: readonly string[]) =>
  methods.flatMap((method) => METHOD_SCOPES[method] ?? []);

const nothing = () => undefined;

/** Events that the bot listens to, as it tells Bolt. */
function heardEvents(): readonly string[] {
  const heard: string[] = [];
  const app = {
    action: nothing,
    view: nothing,
    options: nothing,
    command: nothing,
    shortcut: nothing,
    // Bolt hears every kind of message; the manifest asks for those to the bot alone.
    event: (name: string) => void heard.push(name === 'message' ? 'message.im' : name),
  };
  registerDesk(app as unknown as App, {} as Parameters<typeof registerDesk>[1]);
  return heard.toSorted();
}

test('the manifest is valid by the schema that Slack publishes, in both modes', async () => {
  const schema = JSON.parse(await read('test/fakes/slack-manifest.schema.json')) as object;
  const ajv = new Ajv({
    strict: false,
    validateSchema: false,
    validateFormats: false,
    allErrors: true,
  });
  const valid = ajv.compile(schema);
  for (const socket_mode_enabled of [false, true]) {
    const either = { ...manifest, settings: { ...settings, socket_mode_enabled } };
    assert.equal(valid(either), true, JSON.stringify(valid.errors));
  }
});

test('the manifest asks for exactly the scopes of what the bot calls and hears', async () => {
  const methods = await calledMethods();
  assert.deepEqual(
    methods.filter((method) => Object.hasOwn(APP_METHOD_SCOPES, method)),
    Object.keys(APP_METHOD_SCOPES),
  );
  const ofBot = methods.filter((method) => !Object.hasOwn(APP_METHOD_SCOPES, method));
  for (const method of ofBot) assert.ok(METHOD_SCOPES[method], `the scopes of ${method} are known`);
  const needed = new Set([
    ...scopesOf(ofBot.filter((method) => !OPTIONAL_METHODS.includes(method))),
    ...heardEvents().flatMap((event) => EVENT_SCOPES[event] ?? []),
    ...Object.values(FIELD_SCOPES),
    ...(features.slash_commands.length + features.shortcuts.length > 0 ? ['commands'] : []),
  ]);
  assert.deepEqual(bot.toSorted(), [...needed].toSorted());
  const optional = scopesOf(ofBot.filter((method) => OPTIONAL_METHODS.includes(method)));
  assert.deepEqual(
    bot_optional.toSorted(),
    [...new Set(optional)].filter((scope) => !needed.has(scope)).toSorted(),
  );
});

test('the manifest subscribes to exactly the events that the bot listens to', () => {
  const heard = heardEvents();
  assert.deepEqual(settings.event_subscriptions.bot_events.toSorted(), heard);
  for (const event of heard) assert.ok(EVENT_SCOPES[event], `the scopes of ${event} are known`);
});

test('everything in the manifest leads to one address', () => {
  const { event_subscriptions, interactivity } = settings;
  const urls = new Set([
    event_subscriptions.request_url,
    interactivity.request_url,
    interactivity.message_menu_options_url,
    ...features.slash_commands.map(({ url }) => url),
  ]);
  assert.deepEqual([...urls], [`https://${features.unfurl_domains[0]}/slack/events`]);
});

test('the manifest has exactly the commands that the bot answers, and its shortcut is one of them', () => {
  const access = accessDesk({} as Parameters<typeof accessDesk>[0]);
  const reviewing = reviewingDesk({
    config: { publicUrl: 'https://cs.example.com' },
    office: { reviewing: {} },
  } as never);
  const answered = Object.keys(joinDesks(access, reviewing).commands ?? {}).toSorted();
  assert.deepEqual(
    features.slash_commands.map(({ command }) => command.slice(1)).toSorted(),
    answered,
  );
  for (const { callback_id: name } of features.shortcuts) assert.ok(answered.includes(name), name);
});
