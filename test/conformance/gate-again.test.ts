import assert from 'node:assert/strict';
import { admit } from '#gateway/gate/gate.ts';
import { allow, deny, effect, forEveryProtocol, holdFor, lookAt, refused } from './gate-world.ts';

const differs = () => Promise.resolve(lookAt('update', { digest: lookAt('other').digest }));
const fails = (): never => {
  throw new Error('planted: it fails');
};

forEveryProtocol('a second look that differs ends the request as changed', async (world) => {
  world.verdict = holdFor();
  world.held = world.approve;
  refused(await world.send('update', { lookAgain: differs }), 'changed');
  assert.deepEqual(world.states(), ['changed']);
});

forEveryProtocol('a second look that fails runs nothing and ends the request', async (world) => {
  world.verdict = holdFor();
  world.held = world.approve;
  refused(await world.send('update', { lookAgain: fails }), 'unavailable');
  assert.deepEqual(world.states(), ['abandoned']);
});

forEveryProtocol(
  'a directory that fails after the approval runs nothing and ends the request',
  async (world) => {
    world.verdict = holdFor();
    world.held = (id) => {
      world.deps = { ...world.deps };
      Object.assign(deps, { subject: () => Promise.reject(new Error('planted')) });
      world.approve(id);
    };
    const { deps } = world;
    refused(await world.send('update'), 'unavailable');
    assert.deepEqual(world.states(), ['abandoned']);
  },
);

forEveryProtocol('rules that deny by the time of the approval win', async (world) => {
  world.verdict = holdFor();
  world.held = (id) => {
    world.verdict = deny;
    world.approve(id);
  };
  refused(await world.send('update'), 'denied');
  assert.deepEqual(world.states(), ['refused']);
});

const STRICTER = {
  'a higher quorum': { groups: [{ group: 'dba', quorum: 2 }] },
  'another group': { groups: [{ group: 'security', quorum: 1 }] },
  'one more group': {
    groups: [
      { group: 'dba', quorum: 1 },
      { group: 'security', quorum: 1 },
    ],
  },
  'a fresh sign-in': { stepUpMs: 60_000 },
  'a way to sign in': { acr: ['phr'] },
  'another way to sign in': { amr: ['hwk'] },
  'a reason': { reasonRequired: true },
};
for (const [name, requirement] of Object.entries(STRICTER))
  forEveryProtocol(
    `rules that ask for ${name} by the time of the approval refuse`,
    async (world) => {
      world.verdict = holdFor();
      world.held = (id) => {
        world.verdict = holdFor(requirement);
        world.approve(id);
      };
      refused(await world.send('update'), 'changed');
      assert.deepEqual(world.states(), ['refused']);
    },
  );

forEveryProtocol(
  'rules that no longer ask by the time of the approval let it run by its claim',
  async (world) => {
    world.verdict = holdFor({ groups: [{ group: 'dba', quorum: 2 }] });
    world.held = (id) => {
      world.verdict = allow;
      world.approve(id);
    };
    await world.send('update');
    world.expected = ['update'];
    assert.deepEqual(world.kinds(), ['statement', 'claim', 'run']);
  },
);

forEveryProtocol(
  'a permit carries the obligations of the rules as they are at the claim',
  async (world) => {
    world.verdict = holdFor();
    const masks = new Map([['shop/public/t/a', { kind: 'null' as const }]]);
    world.held = (id) => {
      world.verdict = { ...holdFor(), masks, rows: 7 };
      world.approve(id);
    };
    const admitted = await world.send('update');
    assert.ok(admitted.kind === 'run');
    assert.equal(admitted.permit.obligations.rows, 7);
    assert.equal(admitted.permit.obligations.masks, masks);
    world.expected = ['update'];
  },
);

forEveryProtocol('a person removed while the statement waited runs nothing', async (world) => {
  world.verdict = holdFor();
  world.held = (id) => {
    world.subject = undefined;
    world.approve(id);
  };
  refused(await world.send('update'), 'denied');
  assert.deepEqual(world.states(), ['refused']);
});

forEveryProtocol(
  'transaction control inside a held string is refused, alone it is not',
  async (world) => {
    world.verdict = holdFor();
    world.held = world.approve;
    const control = effect({ class: 'transaction' });
    const look = lookAt('begin; update; commit', { effects: [control, effect(), control] });
    refused(await world.send('begin; update; commit', { look }), 'denied');
    assert.deepEqual(world.states(), []);
    world.verdict = allow;
    await world.send('begin; update; commit', { look });
    world.expected = ['begin; update; commit'];
  },
);

forEveryProtocol(
  'a second look that finds transaction control in the string refuses',
  async (world) => {
    world.verdict = holdFor();
    world.held = world.approve;
    const effects = [effect(), effect({ class: 'transaction' })];
    const lookAgain = () => Promise.resolve(lookAt('call p()', { effects }));
    refused(await world.send('call p()', { lookAgain }), 'denied');
    assert.deepEqual(world.states(), ['refused']);
  },
);

forEveryProtocol(
  'inside a transaction the wait is no longer than the target allows',
  async (world) => {
    world.verdict = holdFor();
    world.held = world.approve;
    await world.send('update', { context: { inTransaction: true } });
    const [request] = world.requests.all.values();
    assert.equal(request?.requirement.expiresMs, 5_000);
    world.expected = ['update'];
  },
);

forEveryProtocol(
  'the notice names the rule, who can release it, until when, and where',
  async (world) => {
    world.verdict = holdFor({ groups: [{ group: 'dba', quorum: 2 }] });
    let notice = '';
    await world.send('update', {
      transactionSince: Date.now() - 3_000,
      onHeld: (told) => {
        notice = JSON.stringify(told);
        world.approve([...world.requests.all.keys()][0] ?? '');
      },
    });
    world.expected = ['update'];
    const [request] = world.requests.all.values();
    for (const part of ['rule ask', '2 of group dba', request!.expiresAt, '/requests/', '3 s'])
      assert.ok(notice.includes(part), `${part} in ${notice}`);
  },
);

forEveryProtocol('a client that cannot be told leaves nothing that could run', async (world) => {
  world.verdict = holdFor();
  refused(await world.send('update', { onHeld: fails }), 'unavailable');
  assert.deepEqual(world.states(), ['abandoned']);
});

forEveryProtocol(
  'a hundred statements at once each run once, each behind its own record',
  async (world) => {
    world.verdict = holdFor();
    world.held = world.approve;
    const texts = Array.from({ length: 100 }, (_, i) => `update ${i}`);
    const onHeld = () => {
      for (const [id, { state }] of world.requests.all) if (state === 'pending') world.approve(id);
    };
    const all = await Promise.all(
      texts.map((text) => admit(world.deps, world.asked(text, { onHeld }))),
    );
    for (const [i, admitted] of all.entries())
      if (admitted.kind === 'run') world.target.run(admitted.permit, texts[i] ?? '');
    world.expected = texts;
  },
);
