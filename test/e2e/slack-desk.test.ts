import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Desk } from '#bot/desk.ts';
import { RetryAfter } from '#bot/inbox.ts';
import type { Post } from '#bot/model.ts';
import { first, post, second, startSlackDesk, type SlackDesk, who } from '../fakes/slack-desk.ts';
import { MODES, PUBLIC_URL } from '../fakes/slack-kit.ts';

for (const mode of MODES)
  describe(`what people do in Slack, over ${mode}`, { concurrency: false }, () => {
    const acts: string[] = [];
    let slowMs = 0;
    let broken = false;
    let kit: SlackDesk;

    const desk: Desk = {
      buttons: { press: ({ actor, value }) => Promise.resolve({ tell: `${who(actor)} ${value}` }) },
      commands: {
        async things({ actor, text }) {
          acts.push(`${who(actor)}: ${text}`);
          if (slowMs > 0) await sleep(slowMs);
          if (broken) throw new Error('broken on purpose');
          return text === 'form' || text === '' ? { form: first } : { tell: `you said ${text}` };
        },
      },
      forms: {
        first({ values }) {
          if (values['what'] === 'nothing')
            return Promise.resolve({ errors: { what: 'Not that.', hidden: 'Nor this.' } });
          return Promise.resolve({ form: second(values['what'] ?? '') });
        },
        second({ state, values }) {
          acts.push(`${state} for ${values['long']} from ${values['from']}`);
          return Promise.resolve({ show: { ...post(`${state} is yours`), title: 'Done' } });
        },
      },
      searches: {
        things: (actor, typed) =>
          Promise.resolve([
            { value: 'one', label: `${typed} of ${who(actor)}`, about: 'the first' },
          ]),
      },
      mentioned({ actor, text, place }) {
        acts.push(`${who(actor)} wrote ${text} in ${place.channel} ${place.message ?? ''}`.trim());
        return Promise.resolve({ tell: 'heard' });
      },
      reacted({ actor, reaction, added, place, at }) {
        assert.ok(Date.now() - Date.parse(at) < 60_000);
        acts.push(`${who(actor)} ${added ? '+' : '-'}${reaction} ${place.channel}`);
        return Promise.resolve({ tell: 'counted' });
      },
      home: (actor) =>
        Promise.resolve({
          summary: '',
          parts: [
            { kind: 'text', line: [`Hello ${who(actor)}`] },
            { kind: 'buttons', buttons: [{ label: 'Press', action: 'press', value: 'it' }] },
          ],
        }),
      unfurl: (url) =>
        Promise.resolve(url.pathname === '/records/1' ? post('record 1') : undefined),
    };

    before(async () => {
      kit = await startSlackDesk(mode, desk);
    });
    after(() => kit.stop());
    beforeEach(() => {
      acts.length = 0;
      slowMs = 0;
      broken = false;
      for (const list of [kit.slack.ephemerals, kit.slack.views, kit.slack.messages])
        list.length = 0;
      kit.slack.refusals.length = 0;
      kit.logged.length = 0;
    });
    const told = () => kit.slack.until(() => kit.slack.ephemerals[0]);

    test('a command is answered at once, to the one who gave it, also where the bot is not', async () => {
      const { status, text } = await kit.actor.command('UANN', '/things', 'a &lt;b&gt; &amp;amp;');
      assert.equal(status, 200);
      assert.deepEqual(JSON.parse(text), {
        response_type: 'ephemeral',
        text: 'you said a &lt;b&gt; &amp;amp;',
      });
      assert.deepEqual(acts, ['uann@example.com: a <b> &amp;']);
      assert.equal((await kit.actor.command('UANN', '/unheard')).status, 200);
    });

    test('a form of several steps is filled in, wrong fields are told at the field', async () => {
      await kit.actor.command('UANN', '/things', 'form', { channel: 'C0THINGS' });
      const view = await kit.slack.until(() => kit.slack.views[0]);
      assert.deepEqual(await kit.actor.suggest('UANN', 'things', 'th'), [
        { value: 'one', label: 'th of uann@example.com' },
      ]);
      const wrong = await kit.actor.fill('UANN', view, { what: 'nothing' });
      assert.deepEqual(JSON.parse(wrong.text), {
        response_action: 'errors',
        errors: { what: 'Not that. Nor this.' },
      });
      const next = await kit.actor.fill('UANN', view, { what: 'one' });
      const { view: update } = JSON.parse(next.text) as { view: typeof view };
      assert.match(update.private_metadata, /C0THINGS/);
      const done = await kit.actor.fill('UANN', update, { from: '2026-11-22T10:00:00Z' });
      assert.match(done.text, /"Done".*one is yours/);
      assert.deepEqual(acts.slice(1), ['one for hour from 2026-11-22T10:00:00.000Z']);
      assert.deepEqual(kit.slack.refusals, []);
    });

    test('a shortcut does what the command of its name does', async () => {
      assert.equal((await kit.actor.shortcut('UANN', 'things')).status, 200);
      const view = await kit.slack.until(() => kit.slack.views[0]);
      assert.equal(view.callback_id, 'first');
    });

    test('what takes longer than Slack waits is acknowledged in time, and answered later', async () => {
      slowMs = 2_200;
      const began = performance.now();
      const { status, text } = await kit.actor.command('UANN', '/things', 'late');
      assert.deepEqual([status, text], [200, '']);
      assert.ok(performance.now() - began < 3_000, 'in Slack’s three seconds');
      assert.equal((await told()).text, 'you said late');
    });

    test('a late answer goes to the person directly where the bot is not in the channel', async () => {
      slowMs = 2_200;
      kit.slack.channel('C0OTHER').is_member = false;
      await kit.actor.command('UANN', '/things', 'late', { channel: 'C0OTHER' });
      const message = await kit.slack.until(() => kit.slack.messages[0]);
      assert.deepEqual([message.channel, message.text], ['DUANN', 'you said late']);
    });

    test('what fails is said to have failed, and nothing was done', async () => {
      broken = true;
      const { text } = await kit.actor.command('UANN', '/things', 'x');
      assert.match(text, /could not be done just now, and nothing was.*cs\.example\.com/);
    });

    test('App Home is shown when it is opened, and anew after a click on it', async () => {
      await kit.actor.openHome('UANN', 'messages');
      await kit.actor.openHome('UANN');
      const shown = await kit.slack.until(() => kit.slack.homes.get('UANN'));
      assert.match(JSON.stringify(shown.blocks), /Hello uann@example\.com/);
      await kit.actor.clickHome('UANN', 'press');
      await kit.slack.until(() => kit.slack.homes.get('UANN') !== shown);
      const answer = await kit.slack.until(() => kit.slack.messages[0]);
      assert.deepEqual([answer.channel, answer.text], ['DUANN', 'uann@example.com it']);
      await kit.actor.openHome('UNOBODY');
      const other = await kit.slack.until(() => kit.slack.homes.get('UNOBODY'));
      assert.match(JSON.stringify(other.blocks), /Nobody knows you/);
      assert.deepEqual(kit.slack.refusals, []);
    });

    test('what is written to the bot is heard as it was typed, and answered in its thread', async () => {
      await kit.actor.mention('UANN', 'C0THINGS', 'audit person:<mailto:a@b.example|a@b.example>', {
        thread: '1700000001.000001',
      });
      assert.deepEqual(acts, [
        'uann@example.com wrote audit person:a@b.example in C0THINGS 1700000001.000001',
      ]);
      assert.deepEqual([(await told()).channel, (await told()).text], ['C0THINGS', 'heard']);
      await kit.actor.write('UANN', 'hello');
      const answer = await kit.slack.until(() => kit.slack.messages[0]);
      assert.deepEqual([answer.channel, answer.text], ['DUANN', 'heard']);
    });

    test('what apps write, what is edited, and what stands in channels without our name is not heard', async () => {
      const said = { type: 'message', user: 'UANN', ts: '1700000001.1', text: 'x' };
      const im = { ...said, channel_type: 'im', channel: 'DUANN' };
      await kit.actor.event({ ...im, bot_id: 'B1' });
      await kit.actor.event({ ...im, subtype: 'message_changed' });
      await kit.actor.event({ ...said, channel_type: 'channel', channel: 'C0THINGS' });
      await kit.actor.event({ ...said, type: 'app_mention', channel: 'C0THINGS', bot_id: 'B1' });
      assert.deepEqual(acts, []);
    });

    test('a reaction on what the bot wrote is heard, in any skin tone, and its removal', async () => {
      const ref = await kit.platform.post('C0THINGS', post('card'), { key: 'k' });
      const message = { channel: ref.channel, ts: ref.message };
      await kit.actor.react('UANN', '+1::skin-tone-4', message);
      await kit.actor.react('UBOB', '+1', message);
      assert.deepEqual(await kit.platform.reactions?.(ref), [
        { name: '+1', users: ['UANN'] },
        { name: '+1', users: ['UBOB'] },
      ]);
      await kit.actor.react('UANN', '+1::skin-tone-4', message, { removed: true });
      assert.deepEqual(acts, [
        'uann@example.com ++1 C0THINGS',
        'ubob@example.com ++1 C0THINGS',
        'uann@example.com -+1 C0THINGS',
      ]);
      assert.equal((await told()).text, 'counted');
    });

    test('reactions on what others wrote, of the bot itself, and of people nobody knows mean nothing', async () => {
      const ref = await kit.platform.post('C0THINGS', post('card'), { key: 'k' });
      const message = { channel: ref.channel, ts: ref.message };
      await kit.actor.react('UANN', '+1', { channel: 'C0THINGS', ts: '1.1' }, { author: 'UBOB' });
      await kit.actor.react('UCOUNTERSIGN', '+1', message);
      await kit.actor.react('UNOBODY', '+1', message);
      assert.deepEqual(acts, []);
      assert.deepEqual(kit.slack.ephemerals, []);
    });

    test('a link to the console is shown as the desk says, other links and other organisations see nothing', async () => {
      const [known, unknown] = [`${PUBLIC_URL}/records/1`, `${PUBLIC_URL}/records/2`];
      const other = 'https://cs.example.com.evil.example/records/1';
      const { unfurls } = await kit.actor.share('UANN', 'C0THINGS', [known, unknown, other]);
      assert.deepEqual(Object.keys(unfurls() ?? {}), [known]);
      assert.match(JSON.stringify(unfurls()), /record 1/);
      const none = await kit.actor.share('UANN', 'C0THINGS', [unknown]);
      assert.equal(none.unfurls(), undefined);
      kit.slack.channel('C0SHARED').is_ext_shared = true;
      const shared = await kit.actor.share('UANN', 'C0SHARED', [known]);
      assert.equal(shared.unfurls(), undefined);
    });

    test('user deactivated, token revoked, app uninstalled, channel changed: each is asked again, none believed', async () => {
      await kit.actor.event({ type: 'user_change', user: { id: 'UANN', deleted: true } });
      assert.deepEqual(kit.forgotten.splice(0), ['UANN']);
      await kit.actor.event({ type: 'tokens_revoked', tokens: { bot: ['UCOUNTERSIGN'] } });
      await kit.actor.event({ type: 'app_uninstalled' });
      for (const type of ['channel_archive', 'group_left', 'channel_shared'])
        await kit.actor.event({ type, channel: 'C0THINGS' });
      assert.deepEqual(kit.changed.splice(0), [
        'tokens',
        'tokens',
        'C0THINGS',
        'C0THINGS',
        'C0THINGS',
      ]);
    });

    test('a picture is uploaded once, is shown once Slack has looked at it, and is told in words without the scope', async () => {
      const png = Buffer.from('a picture').toString('base64');
      const chart: Post = { summary: 'chart', parts: [{ kind: 'image', png, alt: '3 held' }] };
      kit.slack.slowFiles(1);
      await assert.rejects(kit.platform.post('C0THINGS', chart, { key: 'p' }), RetryAfter);
      await kit.platform.post('C0THINGS', chart, { key: 'p' });
      await kit.platform.post('C0THINGS', chart, { key: 'q' });
      assert.equal(kit.slack.files.size, 1);
      const [file] = kit.slack.files.values();
      assert.equal(file?.bytes?.toString(), 'a picture');
      for (const message of kit.slack.messages)
        assert.match(
          JSON.stringify(message.blocks),
          new RegExp(`"slack_file":{"id":"${file?.id}"}`),
        );
      kit.slack.scopes.delete('files:write');
      const other = { ...chart, parts: [{ kind: 'image' as const, png: 'bmV3', alt: '4 held' }] };
      await kit.platform.post('C0THINGS', other, { key: 'r' });
      kit.slack.scopes.add('files:write');
      assert.match(JSON.stringify(kit.slack.messages.at(-1)?.blocks), /"mrkdwn","text":"4 held"/);
    });

    // Over HTTP no connections are kept.
    if (mode === 'socket')
      test('events and commands get through while Slack renews its connections', async () => {
        const old = kit.slack.socket.disconnect('refresh_requested');
        await kit.actor.command('UANN', '/things', 'one');
        await kit.actor.mention('UANN', 'C0THINGS', 'two');
        await kit.slack.until(
          () => kit.slack.socket.lines.filter((line) => !line.leaving).length >= 2,
        );
        kit.slack.socket.hangUp(old);
        await kit.actor.command('UANN', '/things', 'three');
        await kit.actor.mention('UANN', 'C0THINGS', 'four');
        assert.deepEqual(acts, [
          'uann@example.com: one',
          'uann@example.com wrote two in C0THINGS',
          'uann@example.com: three',
          'uann@example.com wrote four in C0THINGS',
        ]);
      });

    test('an event that Slack sends again has one effect', async () => {
      const { sent } = await kit.actor.mention('UANN', 'C0THINGS', 'once', { id: 'Ev1' });
      await kit.actor.mention('UANN', 'C0THINGS', 'once', { id: 'Ev1', retry: 1 });
      await kit.actor.send(sent);
      assert.equal(acts.length, 1);
    });

    test('an event that could not be handled is not acknowledged, and is handled when it comes again', async () => {
      kit.slack.fault('chat.unfurl', { kind: 'error', error: 'fatal_error' });
      const links = [{ url: `${PUBLIC_URL}/records/1`, domain: 'cs.example.com' }];
      const link = { ts: '1700000001.5', channel: 'C0THINGS' } as (typeof kit.slack.shared)[number];
      kit.slack.shared.push(link);
      const event = { type: 'link_shared', channel: link.channel, message_ts: link.ts, links };
      const failed = await kit.actor.event(event, { id: 'Ev2' });
      assert.notEqual(failed.status, 200);
      const again = await kit.actor.event(event, { id: 'Ev2', retry: 1 });
      assert.equal(again.status, 200);
      assert.ok(link.unfurls);
    });
  });
