import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { type AccessChat, errorsOf, shows, startAccessChat, userOf } from '../fakes/access-chat.ts';
import { checkMessage } from '../fakes/blockkit.ts';
import { eventually } from '../fakes/gateway.ts';

const WHY = 'the nightly import is broken and customers cannot pay since nine';
const REVIEW = 'I read the session: one row was repaired, as was said.';

let world: AccessChat;
before(async () => {
  world = await startAccessChat();
});
after(() => world?.stop());
beforeEach(() => world.clear());

test('broken glass is loud until somebody else has reviewed it', async () => {
  const { actor, gateway, slack } = world;
  const short = await world.openForm('engineer', 'break-glass shop admin');
  const errors = await actor
    .fill(userOf('engineer'), short, { reason: 'because I want to' })
    .then(errorsOf);
  assert.match(errors['reason'] ?? '', /at least 10 words/);
  const done = await actor.fill(userOf('engineer'), short, { reason: WHY });
  assert.deepEqual(errorsOf(done), {}, done.text);
  const [request] = await world.requests();
  assert.equal(request.state, 'granted');
  const grant = await world.grantOf(request.id);

  const card = await world.card(request.id);
  const thread = await eventually('the thread', () =>
    slack.messages.find((one) => one.thread === card.ts && shows(one, 'review needed')),
  );
  assert.ok(shows(thread, '@dba') && shows(thread, '@oncall') && shows(thread, '@security'));
  for (const who of ['approver', 'approver2', 'oncall', 'security'])
    await world.untilDirect(who, 'Glass broken, review needed');
  assert.equal(world.direct('stranger', 'Glass broken'), undefined);
  assert.equal(world.direct('engineer', 'review needed'), undefined);

  // Open: nothing to review yet.
  await actor.click(userOf('security'), 'access-review', thread);
  await slack.until(() => slack.ephemerals.some((one) => one.text.includes('still open')));
  await world.command('engineer', 'end shop admin');
  await slack.until(() => shows(thread, 'waits for the review of security'));

  // An hour later, then a day later; in the thread, and to who may review.
  const reminders = () =>
    slack.messages.filter((one) => one.thread === card.ts && shows(one, 'waits for its review'))
      .length;
  await world.pass(grant.id, `ended_at = clock_timestamp() - interval '61 minutes'`);
  await eventually('a reminder', () => reminders() === 1);
  await world.untilDirect('security', 'This is reminder 1');
  assert.equal(world.direct('approver', 'This is reminder'), undefined);
  await world.pass(grant.id, `reminded_at = clock_timestamp() - interval '25 hours'`);
  await eventually('the next one', () => reminders() === 2);

  const form = await world.clickForm('security', 'access-review', thread);
  const few = await actor.fill(userOf('security'), form, { review: 'fine' });
  assert.match(errorsOf(few)['review'] ?? '', /20 characters/);
  const filed = await actor.fill(userOf('security'), form, { review: REVIEW });
  assert.deepEqual(errorsOf(filed), {}, filed.text);
  await slack.until(() => shows(thread, 'Reviewed by security@example.com'));
  assert.ok(!shows(thread, 'File the review'));
  await world.untilDirect('approver', 'Glass broken, reviewed');
  const reviewed = (await gateway.records('grant')).filter(
    ({ json }) => json.body.grant === grant.id && json.body.event === 'reviewed',
  );
  assert.equal(reviewed.length, 1);
  assert.deepEqual(slack.refusals, []);
});

test('where the rule asks for a fresh sign-in, the answer is the way there', async () => {
  const { actor } = world;
  const form = await world.openForm('engineer', 'break-glass shop owner');
  const answer = await actor.fill(userOf('engineer'), form, { reason: WHY });
  const [request] = await world.requests();
  assert.equal(request.state, 'pending');
  assert.ok(answer.text.includes(`${world.gateway.config.publicUrl}/requests/${request.id}`));
  await world.untilDirect('engineer', 'Break-glass: sign in to take it');
  assert.equal(world.direct('security', 'Glass broken, review needed: owner'), undefined);
});

test('whoever has very much sees as much as fits, on App Home and in a message', async () => {
  const { actor, gateway, slack } = world;
  await gateway.storeSql.query(
    `insert into countersign.access_grant (id, person, target, role, kind, starts_at, begun_at, ends_at, ended_at, ended_why, duration_ms, reviewers)
     select gen_random_uuid(), who, 'shop', repeat('role', 40) || n, kind, clock_timestamp() - interval '2 minutes',
       clock_timestamp(), clock_timestamp() + interval '3 hours', ended, 'given back', 3600000, '{security}'
     from generate_series(1, 30) n, (values ('security@example.com', 'access', null::timestamptz),
       ('engineer@example.com', 'break-glass', clock_timestamp())) as each (who, kind, ended)`,
  );
  // No rule knows these roles, so they are kept for this moment only.
  const list = JSON.parse(await world.command('security', 'list'));
  assert.deepEqual(checkMessage(list), []);
  await actor.openHome(userOf('security'));
  await slack.until(() => slack.homes.get(userOf('security')));
  assert.deepEqual(slack.refusals, []);
  assert.ok(shows(list, 'more in the console'), JSON.stringify(list));
});
