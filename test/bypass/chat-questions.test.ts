import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { NotSaid } from '#src/approval/talk.ts';
import { DBA, person } from '../fakes/approval.ts';
import { CHANNEL, type SlackKit, startSlackKit } from '../fakes/slack-kit.ts';

let kit: SlackKit;
before(async () => {
  kit = await startSlackKit();
});
after(() => kit.stop());
beforeEach(() => {
  kit.slack.ephemerals.length = 0;
  kit.slack.views.length = 0;
});

const ask = (id: string, who: string, text: string) =>
  kit.requests.ask(id, person(who), text, 'slack');
const answer = (id: string, who: string, text: string, question?: string) =>
  kit.requests.answer(id, question, person(who), text, 'slack');
const asked = async (id: string) => (await kit.requests.get(id))?.questions ?? [];
const direct = (question: string) =>
  kit.slack.until(() =>
    kit.slack.messages.find((one) =>
      JSON.stringify(one.metadata ?? '').includes(`question-asked:${question}`),
    ),
  );
const stored = async (question: string) => {
  for (const signal = AbortSignal.timeout(8_000); ; signal.throwIfAborted()) {
    const { rowCount } = await kit.store.db.pool.query(
      'select from countersign.chat_message where key = $1 and message is not null and shown = version',
      [`question-asked:${question}`],
    );
    if (rowCount === 1) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
async function refused(work: Promise<{ ok: boolean; refusal?: NotSaid }>): Promise<string> {
  const done = await work;
  assert.ok(!done.ok);
  return done.refusal?.code ?? '';
}
const shows = (message: { blocks: unknown }, text: string) =>
  JSON.stringify(message.blocks).includes(text);

test('a question goes from the card to the requester, and the answer comes back to the thread and the card', async () => {
  const { request, message } = await kit.hold();
  await kit.actor.click('UAPP', 'request-ask', message);
  const form = await kit.slack.until(() => kit.slack.views[0]);
  assert.equal((await kit.actor.fill('UAPP', form, { text: 'Which ticket is it?' })).text, '');
  const [question] = await asked(request.id);
  assert.equal(question?.text, 'Which ticket is it?');
  const thread = await kit.slack.until(() =>
    kit.slack.messages.find(
      (one) => one.channel === CHANNEL && shows(one, 'approver@example.com asks'),
    ),
  );
  assert.equal(thread.thread, message.ts);
  const mine = await direct(question?.id ?? '');
  await stored(question?.id ?? '');
  kit.slack.views.length = 0;
  await kit.actor.click('UENG', 'request-answer', mine);
  const reply = await kit.slack.until(() => kit.slack.views[0]);
  assert.ok(shows(reply, 'Which ticket is it?'));
  assert.equal((await kit.actor.fill('UENG', reply, { text: 'ticket 4711' })).text, '');
  await kit.slack.until(() => shows(message, 'Answer: ticket 4711'));
  await kit.slack.until(() =>
    kit.slack.messages.some((one) => one.thread === message.ts && shows(one, 'Engineer answers')),
  );
  await kit.slack.until(() => shows(mine, 'You answered') && !shows(mine, 'request-answer'));
  const records = kit.audit.entries.filter((one) => one.request === request.id);
  assert.deepEqual(
    records.map(({ kind, body, person: who }) => [kind, body['event'], who]).slice(1),
    [
      ['request', 'question', 'approver@example.com'],
      ['request', 'answer', 'engineer@example.com'],
    ],
  );
  assert.deepEqual(kit.slack.refusals, []);
});

test('whoever does not see the request asks nothing, and cannot tell that it is there', async () => {
  const { request } = await kit.hold();
  assert.equal(await refused(ask(request.id, 'stranger', 'What is it?')), 'not-found');
  const nobody = { email: 'nobody@elsewhere.example', name: 'Nobody', groups: ['dba'] };
  assert.equal(await refused(kit.requests.ask(request.id, nobody, 'Hm?', 'api')), 'not-found');
  assert.equal(
    await refused(ask('3f0e8a6e-0d6c-4b7e-9a52-6b9d3c1f2a44', 'approver', '?')),
    'not-found',
  );
  assert.deepEqual(await asked(request.id), []);
});

test('a question in the form of somebody in no group of it is refused there', async () => {
  const { request, message } = await kit.hold();
  await kit.actor.click('USTR', 'request-ask', message);
  const form = await kit.slack.until(() => kit.slack.views[0]);
  assert.match((await kit.actor.fill('USTR', form, { text: 'Hello?' })).text, /errors/u);
  assert.deepEqual(await asked(request.id), []);
});

test('nobody asks themselves, and a machine asks nobody', async () => {
  const { request } = await kit.hold();
  assert.equal(await refused(ask(request.id, 'engineer', 'Is it fine?')), 'own-request');
  kit.directory.people.set('both@example.com', { ...person('both'), machine: true });
  assert.equal(await refused(ask(request.id, 'both', 'Is it fine?')), 'not-yours');
  kit.directory.people.set('both@example.com', person('both'));
});

test('only the requester answers, only what was asked about this request, and once', async () => {
  const [one, other] = [await kit.hold(), await kit.hold()];
  await ask(one.request.id, 'approver', 'Why?');
  await ask(other.request.id, 'approver', 'When?');
  const [why] = await asked(one.request.id);
  const [when] = await asked(other.request.id);
  assert.equal(await refused(answer(one.request.id, 'approver2', 'because', why?.id)), 'not-yours');
  assert.equal(await refused(answer(one.request.id, 'engineer', 'now', when?.id)), 'no-question');
  assert.ok((await answer(one.request.id, 'engineer', 'because', why?.id)).ok);
  assert.equal(await refused(answer(one.request.id, 'engineer', 'no', why?.id)), 'no-question');
  assert.equal((await asked(one.request.id))[0]?.answer?.text, 'because');
});

test('two answers at once: one counts', async () => {
  const { request } = await kit.hold();
  await ask(request.id, 'approver', 'Why?');
  const done = await Promise.all([
    answer(request.id, 'engineer', 'one'),
    answer(request.id, 'engineer', 'two'),
  ]);
  assert.equal(done.filter(({ ok }) => ok).length, 1);
});

test('a copy of the question answers nothing, and its form is of no use to others', async () => {
  const { request } = await kit.hold();
  await ask(request.id, 'approver', 'Why?');
  const [question] = await asked(request.id);
  const value = `${request.id}.${question?.id}`;
  const mine = await direct(question?.id ?? '');
  await stored(question?.id ?? '');
  await kit.actor.click('UENG', 'request-answer', { ...mine, ts: '1699999999.000001' }, { value });
  assert.equal(kit.slack.views.length, 0);
  await kit.actor.click('UENG', 'request-answer', mine);
  const form = await kit.slack.until(() => kit.slack.views[0]);
  for (const user of ['UAPP2', 'USTR'])
    assert.match((await kit.actor.fill(user, form, { text: 'I say so' })).text, /errors/u);
  assert.equal((await asked(request.id))[0]?.answer, undefined);
});

test('what is asked and answered is masked, hides nothing, and mentions nobody', async () => {
  const { request, message } = await kit.hold();
  const evil = 'ask jane.doe@example.org <!channel> \u202Etxet\u200B\u001B[2J 4111 1111 1111 1111';
  await ask(request.id, 'approver', evil);
  await answer(request.id, 'engineer', evil);
  const [question] = await asked(request.id);
  for (const text of [question?.text ?? '', question?.answer?.text ?? '']) {
    assert.doesNotMatch(text, /jane|4111|[\p{Cc}\p{Cf}]/u);
    assert.match(text, /\[email\].*⟨U\+202E⟩/u);
  }
  await kit.slack.until(() => shows(message, 'Answer:'));
  const said = await kit.slack.until(() =>
    kit.slack.messages.find((one) => one.thread === message.ts && shows(one, 'asks')),
  );
  // Literal text of a rich text element: Slack reads no mention in it.
  assert.ok(shows(said, '<!channel>'));
  assert.ok(!said.text.includes('<!channel>'));
  const records = JSON.stringify(kit.audit.entries.filter((one) => one.request === request.id));
  assert.doesNotMatch(records, /jane\.doe|4111 1111/u);
  assert.deepEqual(kit.slack.refusals, []);
});

test('questions are limited in number and length', async () => {
  const { request } = await kit.hold();
  assert.equal(await refused(ask(request.id, 'approver', ' \n ')), 'not-valid');
  assert.equal(await refused(ask(request.id, 'approver', 'x'.repeat(1_001))), 'not-valid');
  const many = await Promise.all(
    ['a', 'b', 'c', 'd', 'e'].map((text) => ask(request.id, 'approver', text)),
  );
  assert.equal(many.filter(({ ok }) => ok).length, 3);
  for (const who of ['approver2', 'both', 'security'])
    for (const text of ['a', 'b', 'c']) await ask(request.id, who, text);
  assert.equal((await asked(request.id)).length, 10);
});

test('who looked before a question was asked decides; who looked before its answer has to look again', async () => {
  const { request } = await kit.hold();
  const vote = (version: number) =>
    kit.requests.decide(request.id, person('approver'), {
      decision: 'approve',
      reason: '',
      via: 'slack',
      version,
    });
  await ask(request.id, 'approver2', 'Why?');
  await answer(request.id, 'engineer', 'I was told to.');
  const stale = await vote(2);
  assert.ok(!stale.ok && stale.refusal.code === 'stale');
  await ask(request.id, 'approver2', 'By whom?');
  // Version 3 has the answer; the question that came after it changes nothing.
  assert.ok((await vote(3)).ok);
});

test('once it is decided nothing is asked or answered any more', async () => {
  const { request } = await kit.hold();
  await ask(request.id, 'approver', 'Why?');
  const [question] = await asked(request.id);
  await kit.requests.decide(request.id, person('approver'), {
    decision: 'deny',
    reason: 'no',
    via: 'api',
  });
  assert.equal(await refused(ask(request.id, 'approver', 'And now?')), 'not-open');
  assert.equal(await refused(answer(request.id, 'engineer', 'late', question?.id)), 'not-open');
  const mine = await direct(question?.id ?? '');
  await kit.slack.until(() => !shows(mine, 'request-answer') && shows(mine, 'no answer is needed'));
});

test('details are for who may see more than the channel; the exact text is nowhere in them', async () => {
  const { request, message } = await kit.hold({}, { masked: "update orders set note = '•••'" });
  await kit.actor.click('USTR', 'request-details', message);
  const no = await kit.slack.until(() => kit.slack.ephemerals[0]);
  assert.match(JSON.stringify(no), /no more of it for you/u);
  kit.slack.ephemerals.length = 0;
  await kit.actor.click('UAPP', 'request-details', message);
  const details = await kit.slack.until(() => kit.slack.ephemerals[0]);
  assert.equal(details.user, 'UAPP');
  assert.match(JSON.stringify(details), new RegExp(request.card.digest, 'u'));
  assert.match(JSON.stringify(details), /shop-writes-need-a-second-person/u);
});

test('a reason is given in a form where the rule asks for one, and only then it is approved', async () => {
  const { request, message } = await kit.hold({ reasonRequired: true });
  await kit.actor.click('UAPP', 'approve-form', message);
  const form = await kit.slack.until(() => kit.slack.views[0]);
  assert.match((await kit.actor.submit('UAPP', form, '  ')).text, /asks for a reason/u);
  assert.equal((await kit.requests.get(request.id))?.state, 'pending');
  assert.match((await kit.actor.fill('UENG', form, { reason: 'mine' })).text, /yourself/u);
  assert.equal((await kit.actor.fill('UAPP', form, { reason: 'ticket 7' })).text, '');
  const done = await kit.requests.get(request.id);
  assert.deepEqual([done?.state, done?.decisions[0]?.reason], ['approved', 'ticket 7']);
});

test('a form that was opened before the request changed is told so', async () => {
  const { request, message } = await kit.hold({ reasonRequired: true });
  await kit.actor.click('UAPP', 'approve-form', message);
  const form = await kit.slack.until(() => kit.slack.views[0]);
  await ask(request.id, 'approver2', 'Why?');
  await answer(request.id, 'engineer', 'Because.');
  assert.match((await kit.actor.fill('UAPP', form, { reason: 'fine' })).text, /has changed/u);
  assert.equal((await kit.requests.get(request.id))?.state, 'pending');
});

test('a role is let for a shorter time than was asked, and for no longer one', async () => {
  const terms = {
    longestMs: 3_600_000,
    start: 'approval',
    waitsMs: 0,
    ends: 'cancel',
    reasonRequired: false,
    tickets: [],
    reviewers: [],
    channels: ['db-approvals'],
  } as const;
  const { id } = await kit.requests.askAccess({
    kind: 'access',
    person: person('engineer'),
    target: 'shop',
    role: 'support',
    durationMs: 3_600_000,
    reason: '',
    access: { kind: 'hold', rules: ['r'], message: 'm', requirement: DBA, terms },
    policy: 'v',
    client: '',
    application: 'slack',
  });
  const message = await kit.slack.until(() =>
    kit.slack.messages.find((one) => JSON.stringify(one.metadata ?? '').includes(id)),
  );
  await kit.stored(id);
  await kit.actor.click('UAPP', 'approve-form', message);
  const form = await kit.slack.until(() => kit.slack.views[0]);
  const longer = await kit.requests.decide(id, person('approver'), {
    decision: 'approve',
    reason: '',
    via: 'slack',
    durationMs: 7_200_000,
  });
  assert.ok(!longer.ok && longer.refusal.code === 'no-duration');
  assert.equal((await kit.actor.fill('UAPP', form, { duration: '900000' })).text, '');
  const granted = await kit.requests.get(id);
  assert.deepEqual([granted?.state, granted?.grant?.durationMs], ['granted', 900_000]);
  await kit.slack.until(() => shows(message, 'for at most 15m'));
});
