import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { FIELD_SCOPES, METHOD_SCOPES } from '../../fakes/slack-scopes.ts';

type Manifest = {
  oauth_config: { scopes: { bot: string[]; bot_optional: string[] } };
  settings: {
    event_subscriptions?: { bot_events: string[] };
    interactivity: { request_url: string };
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

test('the manifest is valid by the schema that Slack publishes', async () => {
  const schema = JSON.parse(await read('test/fakes/slack-manifest.schema.json')) as object;
  const ajv = new Ajv({
    strict: false,
    validateSchema: false,
    validateFormats: false,
    allErrors: true,
  });
  const valid = ajv.compile(schema);
  assert.equal(valid(manifest), true, JSON.stringify(valid.errors));
});

test('the manifest asks for exactly the scopes of the methods that the bot calls', async () => {
  const source = await botSource();
  const called = [
    ...source.matchAll(
      /\bclient\s*\.((?:chat|conversations|users|views|auth|reactions|usergroups|im)\s*\.\w+)\(/g,
    ),
  ].map((hit) => (hit[1] ?? '').replace(/\s/g, ''));
  const methods = [...new Set(called)].toSorted();
  assert.deepEqual(methods, Object.keys(METHOD_SCOPES).toSorted());
  const needed = methods
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
