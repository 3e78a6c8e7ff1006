import assert from 'node:assert/strict';
import type { RefusalCode } from '#gateway/gate/gate.ts';
import type { RequestState } from '#src/approval/request.ts';
import { forEveryProtocol, holdFor, lookAt, refused } from './gate-world.ts';

forEveryProtocol(
  'a held statement runs once after its approval and its claim, and no second time',
  async (world) => {
    world.verdict = holdFor();
    world.held = world.approve;
    const admitted = await world.send('update');
    world.expected = ['update'];
    assert.ok(admitted.kind === 'run');
    assert.throws(() => world.target.run(admitted.permit, 'update'), /used/);
    assert.deepEqual(world.kinds(), ['statement', 'claim', 'run']);
    assert.deepEqual(world.states(), ['running']);
  },
);

forEveryProtocol('a held statement waits: nothing runs while nobody has decided', async (world) => {
  world.verdict = holdFor();
  const waits = Promise.withResolvers<string>();
  world.held = waits.resolve;
  const sent = world.send('update');
  const id = await waits.promise;
  assert.deepEqual(world.ran(), []);
  assert.equal(world.holds.size, 1);
  world.approve(id);
  await sent;
  world.expected = ['update'];
});

forEveryProtocol(
  'a denial by a person is told with who and why, and runs nothing',
  async (world) => {
    world.verdict = holdFor();
    world.held = (id) =>
      world.requests.set(id, 'denied', {
        decisions: [
          {
            person: 'approver@example.com',
            group: 'dba',
            decision: 'deny',
            reason: 'not today',
            via: 'api',
            at: '',
          },
        ],
      });
    assert.match(
      refused(await world.send('update'), 'decided-no'),
      /denied by approver@example.com: not today/,
    );
  },
);

const ENDINGS: readonly [RequestState, RefusalCode][] = [
  ['expired', 'expired'],
  ['withdrawn', 'withdrawn'],
  ['changed', 'changed'],
  ['abandoned', 'abandoned'],
  ['refused', 'changed'],
  ['running', 'abandoned'],
  ['done', 'abandoned'],
  ['unknown', 'abandoned'],
];
for (const [state, code] of ENDINGS) {
  forEveryProtocol(`a request that is ${state} when the wait ends runs nothing`, async (world) => {
    world.verdict = holdFor();
    world.held = (id) => world.requests.set(id, state);
    refused(await world.send('update'), code);
  });
  forEveryProtocol(`a claim that finds the request ${state} runs nothing`, async (world) => {
    world.verdict = holdFor();
    world.held = world.approve;
    world.requests.notClaimed = state;
    refused(await world.send('update'), code);
  });
}

forEveryProtocol('a claim of a gateway that has lost its lease runs nothing', async (world) => {
  world.verdict = holdFor();
  world.held = world.approve;
  world.requests.notClaimed = 'lease-lost';
  refused(await world.send('update'), 'abandoned');
});

for (const when of ['before', 'after'] as const) {
  forEveryProtocol(
    `a hold whose opening failed ${when} its record runs nothing and does not wait`,
    async (world) => {
      world.verdict = holdFor();
      world.log.faults.set('statement', when);
      refused(await world.send('update'), 'unavailable');
    },
  );
  forEveryProtocol(`a claim that failed ${when} its record runs nothing`, async (world) => {
    world.verdict = holdFor();
    world.held = world.approve;
    world.log.faults.set('claim', when);
    refused(await world.send('update'), 'unavailable');
    assert.deepEqual(world.states(), [when === 'before' ? 'abandoned' : 'running']);
  });
  forEveryProtocol(`a withdrawal whose record failed ${when} still runs nothing`, async (world) => {
    world.verdict = holdFor();
    world.log.faults.set('request', when);
    world.held = () => world.withdraw();
    refused(await world.send('update'), 'withdrawn');
  });
}

for (const state of ['withdrawn', 'abandoned'] as const) {
  forEveryProtocol(
    `a client that makes it ${state} while it waits ends the request`,
    async (world) => {
      world.verdict = holdFor();
      world.held = () => world.withdraw(state);
      refused(await world.send('update'), state);
      assert.deepEqual(world.states(), [state]);
    },
  );
  forEveryProtocol(
    `a client that makes it ${state} just after the approval still runs nothing`,
    async (world) => {
      world.verdict = holdFor();
      world.held = (id) => {
        world.approve(id);
        world.withdraw(state);
      };
      refused(await world.send('update'), state);
      assert.deepEqual(world.states(), [state]);
    },
  );
  forEveryProtocol(
    `a client that makes it ${state} during the second look still runs nothing`,
    async (world) => {
      world.verdict = holdFor();
      world.held = world.approve;
      const lookAgain = async () => {
        world.withdraw(state);
        return lookAt('update');
      };
      refused(await world.send('update', { lookAgain }), state);
      assert.deepEqual(world.states(), [state]);
    },
  );
}

forEveryProtocol('a withdrawal that comes after a denial tells the denial', async (world) => {
  world.verdict = holdFor();
  world.held = (id) => {
    world.requests.set(id, 'denied');
    world.withdraw();
  };
  refused(await world.send('update'), 'decided-no');
  assert.deepEqual(world.states(), ['denied']);
});
