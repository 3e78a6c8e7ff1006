import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { type ChatPeople, type ChatUser, type ChatUsers, peopleOf } from '#bot/people.ts';
import type { Account } from '#bot/desk.ts';
import { type ChatAccounts, openChatAccounts } from '#src/identity/chat-accounts.ts';
import { type ChatLinks, openChatLinks } from '#src/identity/chat-links.ts';
import { endEverything } from '#src/identity/end.ts';
import { openSignIns, type SignIn, type SignInStore } from '#src/identity/sign-ins.ts';
import { fakeDirectory, fakeAudit, startStore } from '../fakes/approval.ts';

const ENGINEER = 'engineer@example.com';
const APPROVER = 'approver@example.com';
const PUBLIC = 'https://cs.example.com';
const HOUR_MS = 3_600_000;

const of = (user: string, workspace = 'T1'): Account => ({ platform: 'slack', workspace, user });

suite('who an account in chat is', () => {
  let store: Awaited<ReturnType<typeof startStore>>;
  let audit: ReturnType<typeof fakeAudit>;
  let directory: ReturnType<typeof fakeDirectory>;
  let accounts: ChatAccounts;
  let links: ChatLinks;
  let signIns: SignInStore;
  let people: ChatPeople;
  /** What the platform says of each user, and how often it was asked. */
  let users: Map<string, ChatUser | { refused: string }>;
  let asked: number;
  let away: boolean;
  let clock: number;
  let matching: Set<string>;

  before(async () => {
    store = await startStore();
  });
  after(() => store.stop());
  beforeEach(async () => {
    await store.db.pool.query(
      'truncate countersign.chat_account, countersign.chat_link, countersign.sign_in cascade',
    );
    audit = fakeAudit(store.db);
    directory = fakeDirectory();
    accounts = openChatAccounts(store.db, audit);
    links = openChatLinks({ db: store.db, audit, directory });
    signIns = openSignIns({
      db: store.db,
      audit,
      vault: { seal: () => Buffer.of(0), open: () => undefined },
      sessions: { idleMs: HOUR_MS, longestMs: HOUR_MS },
    });
    users = new Map();
    for (const id of ['UENG', 'UAPP', 'UTWO', 'UEVE']) known(id);
    matching = new Set();
    asked = 0;
    away = false;
    clock = 0;
    const slack: ChatUsers = {
      platform: 'slack',
      matchesEmail: (workspace) => matching.has(workspace),
      user({ user }) {
        asked++;
        const found = users.get(user);
        return found && !away
          ? Promise.resolve(found)
          : Promise.reject(new Error('planted: Slack does not answer'));
      },
      byEmail(email) {
        const found = [...users.values()].find((one) => 'email' in one && one.email === email);
        const has = found && 'account' in found && matching.has(found.account.workspace);
        return Promise.resolve(has ? [found.account] : []);
      },
    };
    people = peopleOf({
      platforms: [slack],
      accounts,
      links,
      directory,
      publicUrl: PUBLIC,
      now: () => clock,
    });
  });

  function known(id: string, more: { email?: string; workspace?: string } = {}): void {
    const { email, workspace = 'T1' } = more;
    const user: ChatUser = { account: of(id, workspace), name: `@${id}`, workspaceName: 'Acme' };
    users.set(id, email === undefined ? user : { ...user, email });
  }
  let cookie = 0;
  const signIn = (person: string): Promise<SignIn> =>
    signIns.start(Buffer.from(`${(cookie += 1)}`), {
      person,
      provider: 'acme',
      scopes: ['read', 'decide'],
      client: '127.0.0.1',
    });
  const who = async (account: Account, said?: string): Promise<string> => {
    const found = await people.actor(account, said);
    if ('actor' in found) return found.actor.person.email;
    return 'refused' in found ? `refused: ${found.refused}` : 'unlinked';
  };
  async function linkOf(account: Account): Promise<string> {
    const found = await people.actor(account);
    assert.ok('unlinked' in found, JSON.stringify(found));
    return found.unlinked.slice(`${PUBLIC}/chat/link/`.length);
  }
  /** What the console does with a link: a fresh sign-in, and the person's yes. */
  async function confirmed(code: string, person: string) {
    const found = await links.find(code);
    const made = await signIn(person);
    await links.signedIn(found?.id ?? '', made);
    return { word: await links.confirm(found?.id ?? '', made), signIn: made };
  }
  async function link(account: Account, person: string): Promise<void> {
    const { word } = await confirmed(await linkOf(account), person);
    assert.match(await who(account, `link ${word}`), /^refused: Done/u);
  }
  const actions = (): unknown[] =>
    audit.entries.flatMap(({ kind, body }) => (kind === 'person' ? [body['action']] : []));

  test('is nobody until its person has signed in anew and it has said the word', async () => {
    const code = await linkOf(of('UENG'));
    assert.match(code, /^[\w-]{43}$/u);
    const { rows } = await store.db.pool.query<{ row: string }>(
      'select chat_link::text as row from countersign.chat_link',
    );
    assert.ok(!rows[0]?.row.includes(code));
    const { word } = await confirmed(code, ENGINEER);
    assert.equal(await who(of('UENG')), 'unlinked');
    assert.match(
      await who(of('UENG'), `link ${word?.toLowerCase()}`),
      /^refused: Done.*engineer@/u,
    );
    assert.equal(await who(of('UENG')), ENGINEER);
    assert.deepEqual(await people.accounts(ENGINEER), [of('UENG')]);
    assert.deepEqual(actions(), ['confirm-chat', 'link-chat']);
  });

  test('is not linked by a victim who was sent the link of an attacker, without the word', async () => {
    const code = await linkOf(of('UEVE'));
    const { word } = await confirmed(code, APPROVER);
    assert.match(word ?? '', /^[B-Z]{3}-[B-Z]{3}$/u);
    for (let i = 0; i < 5; i++)
      assert.match(await who(of('UEVE'), 'link BBB-BBB'), /^refused: No link/u);
    // Five tries, and the right word counts no more.
    assert.match(await who(of('UEVE'), `link ${word}`), /^refused: No link/u);
    assert.equal(await who(of('UEVE')), 'unlinked');
    assert.equal(actions().filter((action) => action === 'wrong-chat-word').length, 5);
  });

  test('is not linked by the word of a link of another account', async () => {
    const { word } = await confirmed(await linkOf(of('UENG')), ENGINEER);
    await linkOf(of('UEVE'));
    assert.match(await who(of('UEVE'), `link ${word}`), /^refused: No link/u);
    assert.equal(await who(of('UEVE')), 'unlinked');
  });

  test('is not linked twice by one link, nor confirmed by two sign-ins', async () => {
    const code = await linkOf(of('UENG'));
    const first = await confirmed(code, ENGINEER);
    const second = await confirmed(code, APPROVER);
    assert.equal(second.word, undefined);
    await who(of('UENG'), `link ${first.word}`);
    assert.equal(await links.find(code), undefined);
    assert.ok(await accounts.unlink(of('UENG'), ENGINEER));
    assert.match(await who(of('UENG'), `link ${first.word}`), /^refused: No link/u);
  });

  test('is linked only while the link is young, and its sign-in stands', async () => {
    const old = await confirmed(await linkOf(of('UENG')), ENGINEER);
    await store.db.pool.query(
      "update countersign.chat_link set expires_at = clock_timestamp() - interval '1 second'",
    );
    assert.match(await who(of('UENG'), `link ${old.word}`), /^refused: No link/u);
    const ended = await confirmed(await linkOf(of('UENG')), ENGINEER);
    await signIns.revoke(ended.signIn.id, 'signed out');
    assert.match(await who(of('UENG'), `link ${ended.word}`), /^refused: No link/u);
    assert.equal(await who(of('UENG')), 'unlinked');
  });

  test('belongs to one person: another links it only after it was unlinked', async () => {
    await link(of('UENG'), ENGINEER);
    assert.match(await who(of('UENG'), 'link BCD-FGH'), /linked already: you are engineer/u);
    // A link from before, confirmed by somebody else, ends with the first.
    const code = await links.issue({ ...of('UENG'), name: 'x', workspaceName: 'x' });
    const { word } = await confirmed(code, APPROVER);
    const said = await links.say(of('UENG'), word ?? '');
    assert.match('refused' in said ? said.refused : '', /linked to somebody else/u);
    assert.equal(await who(of('UENG')), ENGINEER);
  });

  test('is the same person when she links a second one', async () => {
    await link(of('UENG'), ENGINEER);
    await link(of('UTWO'), ENGINEER);
    assert.equal(await who(of('UTWO')), ENGINEER);
    assert.deepEqual(await people.accounts(ENGINEER), [of('UENG'), of('UTWO')]);
  });

  test('is nobody in another workspace, though the user id is the same', async () => {
    await link(of('UENG'), ENGINEER);
    known('UENG', { workspace: 'T2' });
    people.forgetUser({ platform: 'slack', user: 'UENG' });
    // The platform's own word of the workspace counts, not that of the event.
    assert.equal(await who(of('UENG')), 'unlinked');
  });

  test('is nobody once it is unlinked, deactivated or let go, at the very next act', async () => {
    await link(of('UENG'), ENGINEER);
    assert.ok(!(await accounts.unlink(of('UENG'), APPROVER)));
    assert.equal(await who(of('UENG')), ENGINEER);
    assert.ok(await accounts.unlink(of('UENG'), ENGINEER));
    assert.equal(await who(of('UENG')), 'unlinked');
    await link(of('UENG'), ENGINEER);
    directory.people.delete(ENGINEER);
    assert.equal(await who(of('UENG')), 'unlinked');
    assert.deepEqual(await people.accounts(ENGINEER), []);
    directory.people.set(ENGINEER, { email: ENGINEER, name: 'E', groups: [] });
    await endEverything(
      { db: store.db, audit },
      { email: ENGINEER, why: 'deactivated', action: 'deactivate' },
    );
    assert.equal(await who(of('UENG')), 'unlinked');
    assert.equal(await accounts.find(of('UENG')), undefined);
  });

  test('a link that waits ends with everything of its person', async () => {
    const { word } = await confirmed(await linkOf(of('UENG')), ENGINEER);
    await endEverything({ db: store.db, audit }, { email: ENGINEER, why: 'ended', action: 'end' });
    assert.match(await who(of('UENG'), `link ${word}`), /^refused: No link/u);
  });

  test('machines are never linked', async () => {
    const { word } = await confirmed(await linkOf(of('UENG')), ENGINEER);
    directory.people.set(ENGINEER, { email: ENGINEER, name: 'E', groups: ['dba'], machine: true });
    assert.match(await who(of('UENG'), `link ${word}`), /^refused: Only people/u);
    assert.equal(await accounts.find(of('UENG')), undefined);
  });

  test('nothing is answered while the directory or the platform is down', async () => {
    await link(of('UENG'), ENGINEER);
    directory.down = true;
    await assert.rejects(people.actor(of('UENG')), /planted/u);
    directory.down = false;
    people.forgetUser({ platform: 'slack', user: 'UENG' });
    away = true;
    await assert.rejects(people.actor(of('UENG')), /planted/u);
  });

  test('of a linked account the platform is asked again after a minute, or when it tells of a change', async () => {
    await link(of('UENG'), ENGINEER);
    const soFar = asked;
    await who(of('UENG'));
    assert.equal(asked, soFar);
    users.set('UENG', { refused: 'This Slack account is deactivated.' });
    clock += 60_001;
    assert.match(await who(of('UENG')), /deactivated/u);
    known('UENG');
    assert.equal(await who(of('UENG')), ENGINEER);
    users.set('UENG', { refused: 'This Slack account is deactivated.' });
    people.forgetUser({ platform: 'slack', user: 'UENG' });
    assert.match(await who(of('UENG')), /deactivated/u);
  });

  suite('by its e-mail address', () => {
    test('is nobody where the operator has not said so', async () => {
      known('UENG', { email: ENGINEER });
      assert.equal(await who(of('UENG')), 'unlinked');
      assert.deepEqual(await people.accounts(ENGINEER), []);
      matching.add('T1');
      assert.equal(await who(of('UENG')), ENGINEER);
      matching.clear();
      assert.equal(await who(of('UENG')), 'unlinked');
    });

    test('is nobody once the address changed, and does not become whose address it is then', async () => {
      matching.add('T1');
      known('UENG', { email: ENGINEER });
      assert.equal(await who(of('UENG')), ENGINEER);
      known('UENG', { email: APPROVER });
      // At once: what the platform said of an address is not kept.
      assert.equal(await who(of('UENG')), 'unlinked');
      known('UENG', { email: ENGINEER });
      assert.equal(await who(of('UENG')), ENGINEER);
    });

    test('is its person in both of two first acts at once, and one record says so', async () => {
      matching.add('T1');
      known('UENG', { email: ENGINEER });
      const both = await Promise.all([who(of('UENG')), who(of('UENG'))]);
      assert.deepEqual(both, [ENGINEER, ENGINEER]);
      assert.deepEqual(actions(), ['link-chat']);
    });

    test('of two with one address at once is one nobody', async () => {
      matching.add('T1');
      known('UENG', { email: ENGINEER });
      known('UEVE', { email: ENGINEER });
      const both = await Promise.all([who(of('UENG')), who(of('UEVE'))]);
      assert.deepEqual(both.toSorted(), [ENGINEER, 'unlinked']);
    });

    test('is nobody when its person has another account there', async () => {
      matching.add('T1');
      await link(of('UAPP'), APPROVER);
      known('UEVE', { email: APPROVER });
      assert.equal(await who(of('UEVE')), 'unlinked');
      assert.deepEqual(await people.accounts(APPROVER), [of('UAPP')]);
    });

    test('is nobody by an address that only becomes somebody’s in lower case', async () => {
      matching.add('T1');
      directory.people.set('kim@example.com', { email: 'kim@example.com', name: 'K', groups: [] });
      known('UEVE', { email: '\u212Aim@example.com' });
      assert.equal(await who(of('UEVE')), 'unlinked');
    });

    test('of a machine decides nothing', async () => {
      matching.add('T1');
      directory.people.set(ENGINEER, { email: ENGINEER, name: 'E', groups: [], machine: true });
      known('UENG', { email: ENGINEER });
      assert.match(await who(of('UENG')), /refused: .*machines/u);
    });

    test('is replaced by its person’s own link', async () => {
      matching.add('T1');
      known('UENG', { email: ENGINEER });
      assert.equal(await who(of('UENG')), ENGINEER);
      known('UENG', { email: 'old@example.com' });
      await link(of('UENG'), APPROVER);
      assert.equal(await who(of('UENG')), APPROVER);
    });
  });
});
