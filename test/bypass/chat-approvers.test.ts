import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NotAway, openAbsences, type Absences } from '#src/approval/away.ts';
import type { Vote } from '#src/approval/port.ts';
import { openStanding, type OnCall } from '#src/approval/standing.ts';
import type { Person } from '#src/identity/person.ts';
import type { Requirement } from '#src/policy/verdict.ts';
import { asked, fakeDirectory, startRequests, startStore } from '../fakes/approval.ts';

const person = (name: string, groups: readonly string[], more: Partial<Person> = {}): Person => ({
  email: `${name}@example.com`,
  name,
  groups,
  ...more,
});
const PEOPLE = [
  person('engineer', ['engineering', 'dba']),
  person('ann', ['engineering', 'dba']),
  person('ben', ['engineering', 'dba']),
  person('cleo', ['engineering', 'security']),
  person('friend', ['engineering']),
  person('other', ['engineering']),
  person('outsider', ['sales']),
  person('robot', ['engineering', 'dba'], { machine: true }),
];

let store: Awaited<ReturnType<typeof startStore>>;
let kit: Awaited<ReturnType<typeof startRequests>>;
let absences: Absences;
const directory = fakeDirectory();
const onCall = { names: new Map<string, readonly string[]>() };
const duty: OnCall = {
  of: async (email) =>
    [...onCall.names].filter(([, people]) => people.includes(email)).map(([name]) => name),
};
before(async () => {
  store = await startStore();
  const deciders = openStanding({ db: store.db, directory, onCall: duty });
  kit = await startRequests(store.db, { directory: deciders });
  absences = openAbsences({ db: store.db, audit: kit.audit, directory });
});
after(async () => {
  await kit.requests.close();
  await store.stop();
});

const approve: Vote = { decision: 'approve', reason: '', via: 'slack' };
const deny: Vote = { decision: 'deny', reason: 'no', via: 'slack' };
const who = (name: string): Person => {
  const found = PEOPLE.find((one) => one.name === name);
  assert.ok(found);
  return found;
};
const until = () => new Date(Date.now() + 3_600_000).toISOString();
const away = (name: string, substitute: string) =>
  absences.add(who(name), { substitute: `${substitute}@example.com`, until: until() });

/** Everybody is here, as the directory of this file says, and nobody is away or on call. */
async function anew(): Promise<void> {
  await store.db.pool.query('delete from countersign.away');
  directory.people = new Map(PEOPLE.map((one) => [one.email, one]));
  onCall.names.clear();
}

async function open(groups: Requirement['groups'], by = 'engineer'): Promise<string> {
  const { id } = await kit.requests.open(asked({ groups }, { person: who(by) }));
  return id;
}
const one = (group: string, more: Partial<Requirement['groups'][number]> = {}) => ({
  group,
  quorum: 1,
  ...more,
});

/** The state after this vote, or the code of its refusal. */
async function vote(id: string, name: string, cast: Vote = approve): Promise<string> {
  const decided = await kit.requests.decide(id, who(name), cast);
  return decided.ok ? decided.request.state : decided.refusal.code;
}

test('a later stage waits for its turn, and says for whom', async () => {
  await anew();
  const id = await open([one('dba'), one('security', { stage: 2 })]);
  const early = await kit.requests.decide(id, who('cleo'), approve);
  assert.ok(!early.ok);
  assert.equal(early.refusal.code, 'not-your-turn');
  assert.match(early.refusal.message, /not your turn yet: dba agree first/);
  assert.equal(await vote(id, 'ann'), 'pending');
  assert.equal((await kit.requests.get(id))?.stage, 2);
  assert.equal(await vote(id, 'ben'), 'pending', 'of a group that has agreed already');
  assert.equal(await vote(id, 'cleo'), 'approved');
});

test('a denial of any stage ends it, also before its turn', async () => {
  await anew();
  const id = await open([one('dba'), one('security', { stage: 2 })]);
  assert.equal(await vote(id, 'cleo', deny), 'denied');
});

test('a vote of the first stage never moves on to the second', async () => {
  await anew();
  directory.people.set('ann@example.com', person('ann', ['dba', 'security']));
  const id = await open([one('dba', { quorum: 2 }), one('security', { stage: 2 })]);
  assert.equal(await vote(id, 'ann'), 'pending');
  assert.equal(await vote(id, 'ben'), 'pending');
  assert.equal(await vote(id, 'ann'), 'already-voted');
  assert.equal((await kit.requests.get(id))?.state, 'pending', 'a person for each stage');
});

test('whoever asked is not approved by somebody who stands in for them', async () => {
  await anew();
  await away('engineer', 'friend');
  const id = await open([one('dba')]);
  assert.equal(await vote(id, 'friend'), 'not-an-approver');
  assert.equal(await vote(id, 'friend', deny), 'not-an-approver');
});

test('a friend whom an approver names has that authority, under both names', async () => {
  await anew();
  const id = await open([one('dba')]);
  assert.equal(await vote(id, 'friend'), 'not-an-approver');
  await away('ann', 'friend');
  assert.equal(await vote(id, 'friend'), 'approved');
  const request = await kit.requests.get(id);
  assert.equal(request?.decisions[0]?.standsFor, 'ann@example.com');
  const record = kit.audit.entries.find((each) => each.request === id && each.kind === 'decision');
  assert.equal(record?.body['standsFor'], 'ann@example.com');
});

test('whoever asked cannot approve as a substitute', async () => {
  await anew();
  await away('ann', 'engineer');
  assert.equal(await vote(await open([one('dba')]), 'engineer'), 'own-request');
});

test('no authority is handed on: A for B for C gives C what B has, and not what A has', async () => {
  await anew();
  await away('ann', 'friend');
  await away('friend', 'other');
  assert.equal(await vote(await open([one('dba')]), 'other'), 'not-an-approver');
});

test('two who stand in for each other are two people with two votes, and no more', async () => {
  await anew();
  await away('ann', 'ben');
  await away('ben', 'ann');
  const id = await open([one('dba', { quorum: 3 })]);
  assert.equal(await vote(id, 'ann'), 'pending');
  assert.equal(await vote(id, 'ben'), 'pending');
  assert.equal((await kit.requests.get(id))?.state, 'pending');
});

test('a substitute and the absent person are one seat', async () => {
  await anew();
  await away('ann', 'friend');
  const id = await open([one('dba', { quorum: 2 })]);
  assert.equal(await vote(id, 'friend'), 'pending');
  assert.equal(await vote(id, 'ann'), 'pending', 'her own vote takes the place of her substitute');
  assert.equal(await vote(id, 'ben'), 'approved');
  const counted = (await kit.requests.get(id))?.decisions.filter((each) => each.standsFor);
  assert.equal(counted?.length ?? 0, 1, 'the vote of the substitute is on record, uncounted');
});

test('two substitutes of one person are one seat', async () => {
  await anew();
  await away('ann', 'friend');
  await away('ann', 'other');
  const id = await open([one('dba', { quorum: 2 })]);
  assert.equal(await vote(id, 'friend'), 'pending');
  assert.equal(await vote(id, 'other'), 'pending');
});

test('an approval in the place of somebody counts only as long as the absence lasts', async () => {
  await anew();
  const { id: absence } = await away('ann', 'friend');
  const id = await open([one('dba', { quorum: 2 })]);
  assert.equal(await vote(id, 'friend'), 'pending');
  await absences.end(absence, who('ann'), []);
  assert.equal(await vote(id, 'ben'), 'pending', 'she is back, so her substitute counts no more');
});

test('what the absent person loses, the substitute loses', async () => {
  await anew();
  await away('ann', 'friend');
  directory.people.set('ann@example.com', person('ann', ['engineering']));
  assert.equal(await vote(await open([one('dba')]), 'friend'), 'not-an-approver');
  directory.people.delete('ann@example.com');
  assert.equal(await vote(await open([one('dba')]), 'friend'), 'not-an-approver');
});

test('machines are no substitutes, have none, and what was handed to one is nothing', async () => {
  await anew();
  await assert.rejects(away('ann', 'robot'), NotAway);
  await assert.rejects(away('robot', 'friend'), NotAway);
  await store.db.pool.query(
    `insert into countersign.away (id, person, substitute, starts_at, ends_at) values
     (gen_random_uuid(), 'robot@example.com', 'friend@example.com', clock_timestamp(), clock_timestamp() + interval '1 hour')`,
  );
  assert.equal(await vote(await open([one('dba')]), 'friend'), 'not-an-approver');
});

test('nobody names a stranger or themselves, and a colleague who is none any more stands for nobody', async () => {
  await anew();
  await assert.rejects(away('ann', 'outsider'), NotAway);
  await assert.rejects(away('ann', 'nobody'), NotAway);
  await assert.rejects(away('ann', 'ann'), NotAway);
  await away('ann', 'friend');
  directory.people.set('friend@example.com', person('friend', ['sales']));
  assert.equal(await vote(await open([one('dba')]), 'friend'), 'not-an-approver');
});

test('who ends an absence is the person, the substitute or an administrator', async () => {
  await anew();
  const { id } = await away('ann', 'friend');
  await assert.rejects(absences.end(id, who('other'), ['security']), NotAway);
  await absences.end(id, who('cleo'), ['security']);
  await assert.rejects(absences.end(id, who('ann'), []), NotAway, 'it has ended');
  assert.equal(await vote(await open([one('dba')]), 'friend'), 'not-an-approver');
});

test('outside the hours the others decide, and those of the hours can only deny', async () => {
  await anew();
  const never = { text: 'Mon 00:00-00:01', timeZone: 'UTC', outside: 'security' };
  const day = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][new Date().getUTCDay()] ?? 'Mon';
  const other = { ...never, text: day === 'Mon' ? 'Wed 00:00-00:01' : never.text };
  const id = await open([one('dba', { hours: other })]);
  const refused = await kit.requests.decide(id, who('ann'), approve);
  assert.ok(!refused.ok);
  assert.equal(refused.refusal.code, 'not-your-turn');
  assert.match(refused.refusal.message, /At this hour it is decided by security/);
  assert.equal(await vote(id, 'cleo'), 'approved');
  const always = { ...never, text: 'Mon-Sun 00:00-24:00' };
  const within = await open([one('dba', { hours: always })]);
  assert.equal(await vote(within, 'cleo'), 'not-your-turn');
  assert.equal(await vote(within, 'ann'), 'approved');
});

test('on call is looked up when they decide, and nobody is on call when it cannot be told', async () => {
  await anew();
  const id = await open([one('oncall:primary')]);
  assert.equal(await vote(id, 'friend'), 'not-an-approver');
  onCall.names.set('oncall:primary', ['friend@example.com']);
  assert.equal(await vote(id, 'friend'), 'approved');
  const two = await open([one('oncall:primary', { quorum: 2 })]);
  onCall.names.set('oncall:primary', ['friend@example.com']);
  assert.equal(await vote(two, 'friend'), 'pending');
  onCall.names.set('oncall:primary', ['other@example.com']);
  assert.equal(await vote(two, 'other'), 'pending', 'the first is on call no more');
});

test('a substitute is not on call in the place of somebody', async () => {
  await anew();
  onCall.names.set('oncall:primary', ['ann@example.com']);
  await away('ann', 'friend');
  assert.equal(await vote(await open([one('oncall:primary')]), 'friend'), 'not-an-approver');
});

test('a group to which it may be escalated decides nothing before', async () => {
  await anew();
  const id = await open([one('dba', { escalate: [{ afterMs: 600_000, group: 'security' }] })]);
  assert.equal(await vote(id, 'cleo'), 'not-an-approver');
  assert.equal((await kit.requests.get(id))?.escalated?.length ?? 0, 0);
});
