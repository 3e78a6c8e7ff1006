import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { APP_METHOD_SCOPES, FIELD_SCOPES, METHOD_SCOPES } from '../../fakes/slack-scopes.ts';

type Manifest = {
  oauth_config: { scopes: { bot: string[]; bot_optional: string[] } };
  settings: {
    event_subscriptions?: { bot_events: string[] };
    interactivity: { request_url: string };
    socket_mode_enabled: boolean;
  };
};

const root = new URL('../../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');
const manifest = parse(await read('manifest.yml')) as Manifest;

async function botSource(): Promise<string> {
  const files = (await readdir(new URL('bot/', root), { recursive: true })).filter((file) =>
    file.endsWith('.ts'),
  );
  return (await Promise.all(files.map((file) => read(`bot/${file}`)))).join('\n');
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
    const either = { ...manifest, settings: { ...manifest.settings, socket_mode_enabled } };
    assert.equal(valid(either), true, JSON.stringify(valid.errors));
  }
});

test('the manifest asks for exactly the scopes of the methods that the bot calls', async () => {
  const source = await botSource();
  const called = [
    ...source.matchAll(
      /\bclient\s*\.((?:apps|chat|conversations|users|views|auth|reactions|usergroups|im)(?:\s*\.\w+)+)\(/g,
    ),
  ].map((hit) => (hit[1] ?? '').replace(/\s/g, ''));
  const methods = [...new Set(called)].toSorted();
  const ofApp = methods.filter((method) => Object.hasOwn(APP_METHOD_SCOPES, method));
  assert.deepEqual(ofApp, Object.keys(APP_METHOD_SCOPES));
  const ofBot = methods.filter((method) => !ofApp.includes(method));
  assert.deepEqual(ofBot, Object.keys(METHOD_SCOPES).toSorted());
  const needed = ofBot
    .filter((method) => method !== 'conversations.history')
    .flatMap((method) => METHOD_SCOPES[method] ?? []);
  const { bot, bot_optional } = manifest.oauth_config.scopes;
  assert.deepEqual(
    bot.toSorted(),
    [...new Set([...needed, ...Object.values(FIELD_SCOPES)])].toSorted(),
  );
  assert.deepEqual(bot_optional.toSorted(), METHOD_SCOPES['conversations.history']);
});

test('the manifest subscribes to no event, since the bot listens to none', async () => {
  assert.doesNotMatch(await botSource(), /\bapp\.(event|message|command|shortcut)\(/);
  assert.equal(manifest.settings.event_subscriptions, undefined);
  assert.match(manifest.settings.interactivity.request_url, /\/slack\/events$/);
});
