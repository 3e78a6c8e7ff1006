// Makes docs/images/slack-*.png: what the bot says and asks in Slack, drawn from its own blocks, not by Slack:
//   node test/slack-pictures.ts
import { writeFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { nextForm, startAccessChat, userOf } from './fakes/access-chat.ts';
import { need } from './fakes/need.ts';
import { startReviewingWorld } from './fakes/reviewing-world.ts';
import { outcome } from './fakes/gateway.ts';
import { homeHtml, messageHtml, modalHtml } from './fakes/slack-html.ts';
import type { FakeMessage } from './fakes/slack.ts';

const executablePath = need('chromium');
if (executablePath === undefined)
  throw new Error('install chromium first: apt-get install chromium');
const browser = await chromium.launch({ executablePath, headless: true, chromiumSandbox: false });
const page = await browser.newPage({ viewport: { width: 640, height: 100 } });

async function picture(name: string, html: string): Promise<void> {
  await page.setContent(html);
  const file = new URL(`../docs/images/slack-${name}.png`, import.meta.url);
  await writeFile(file, await page.screenshot({ fullPage: true }));
  process.stdout.write(`${name}\n`);
}

try {
  await statements();
  await access();
  await glass();
} finally {
  await browser.close();
}

/** A statement that is held: its card, as it waits, and as it was decided; and the reviewing of what was done. */
async function statements(): Promise<void> {
  const world = await startReviewingWorld();
  const { slack, actor, gateway } = world;
  const held = async (sql: string) => {
    const client = await gateway.open();
    await client.query("set countersign.reason = 'INC-42: refund the customer'");
    const answer = outcome(client.query(sql));
    const { id } = await gateway.pending();
    const card = await slack.until(() =>
      slack.messages.find((one) => JSON.stringify(one.metadata).includes(String(id))),
    );
    await stored(gateway, String(id));
    const done = async () => {
      await answer;
      await client.end();
    };
    return { card, done };
  };
  const shows = (message: FakeMessage, text: string) =>
    slack.until(() => JSON.stringify(message.blocks).includes(text));
  try {
    const first = await held("update orders set status = 'refunded' where id = 42");
    await picture('card-pending', messageHtml(first.card.blocks));
    await actor.click(userOf('approver'), 'approve', first.card);
    await first.done();
    await shows(first.card, 'Approved and run');
    await picture('card-approved', messageHtml(first.card.blocks));

    const third = await held("update orders set status = 'refunded' where id = 44");
    const last = () => slack.views.at(-1);
    const opened = async (action: string, message: FakeMessage, who = 'approver') => {
      const before = slack.views.length;
      await actor.click(userOf(who), action, message);
      return await slack.until(() => (slack.views.length > before ? last() : undefined));
    };
    const asking = await opened('request-ask', third.card);
    await picture('form-ask', modalHtml(asking));
    await actor.fill(userOf('approver'), asking, { text: 'Has the customer agreed to it?' });
    const asked = await slack.until(() =>
      slack.messages.find((one) => JSON.stringify(one.blocks).includes('request-answer')),
    );
    await picture('question', messageHtml(asked.blocks));
    const answering = await opened('request-answer', asked, 'engineer');
    await picture('form-answer', modalHtml(answering));
    await actor.fill(userOf('engineer'), answering, { text: 'Yes, on the phone, at nine.' });
    await shows(third.card, 'on the phone');
    await picture('card-answered', messageHtml(third.card.blocks));
    await picture('form-hand-over', modalHtml(await opened('request-hand-over', third.card)));
    const seen = slack.ephemerals.length;
    await actor.click(userOf('approver'), 'request-details', third.card);
    const details = await slack.until(() => slack.ephemerals[seen]);
    await picture('details', messageHtml(details.blocks));
    await actor.click(userOf('approver'), 'approve', third.card);
    await third.done();

    const second = await held("update orders set status = 'gone' where id = 43");
    const form = await opened('deny', second.card);
    await picture('form-deny', modalHtml(form));
    await actor.fill(userOf('approver'), form, { reason: 'Use the refund job instead.' });
    await second.done();
    await shows(second.card, 'Denied by');
    await picture('card-denied', messageHtml(second.card.blocks));

    await world.ran('engineer', ...Array.from({ length: 30 }, (_, i) => `select ${i} as n`));
    await world.searched();
    const summary = await world.audit('oncall', 'summary last 24h');
    await picture(
      'summary',
      messageHtml(summary.blocks, (id) => slack.files.get(id)?.bytes),
    );
    const found = await world.audit('oncall', 'person:engineer kind:statement');
    await picture('search', messageHtml(found.blocks));
  } finally {
    await world.stop();
  }
}

/** A role that is asked for: the forms, the card, the direct message, App Home. */
async function access(): Promise<void> {
  const world = await startAccessChat();
  const { actor, slack, gateway } = world;
  const engineer = userOf('engineer');
  try {
    const pick = await world.openForm('engineer');
    await picture('form-access', modalHtml(pick));
    const options = pick.blocks.flatMap(({ element }) => element?.options ?? []);
    const writer = options.find((one) => JSON.stringify(one).includes('shop: writer'));
    const terms = nextForm(await actor.fill(engineer, pick, { what: writer?.value ?? '' }));
    await picture('form-access-terms', modalHtml(terms));
    await actor.fill(engineer, terms, { duration: '7200000', reason: 'repair order 17' });
    const [{ id }] = await world.requests();
    const card = await world.card(id);
    await stored(gateway, id);
    await picture('card-role', messageHtml(card.blocks));
    await actor.openHome(userOf('approver'));
    const home = await slack.until(() => slack.homes.get(userOf('approver')));
    await picture('home', homeHtml(home.blocks));
    const approving = await world.clickForm('approver', 'approve-form', card);
    await picture('form-approve', modalHtml(approving));
    await actor.fill(userOf('approver'), approving, { reason: 'fine' });
    const direct = await world.untilDirect('engineer', 'Give back');
    await picture('direct', messageHtml(direct.blocks));
  } finally {
    await world.stop();
  }
}

/** Broken glass: its card, and what stands under it until somebody has reviewed it. */
async function glass(): Promise<void> {
  const world = await startAccessChat();
  const { actor, slack } = world;
  try {
    const form = await world.openForm('engineer', 'break-glass shop admin');
    await picture('form-glass', modalHtml(form));
    const reason = 'the nightly import is broken and customers cannot pay since nine';
    await actor.fill(userOf('engineer'), form, { reason });
    const [{ id }] = await world.requests();
    const card = await world.card(id);
    await picture('card-glass', messageHtml(card.blocks));
    const thread = await slack.until(() =>
      slack.messages.find(
        (one) => one.thread === card.ts && JSON.stringify(one.blocks).includes('review needed'),
      ),
    );
    await world.command('engineer', 'end shop admin');
    await slack.until(() => JSON.stringify(thread.blocks).includes('waits for the review'));
    await picture('glass-review', messageHtml(thread.blocks));
    await picture(
      'form-review',
      modalHtml(await world.clickForm('security', 'access-review', thread)),
    );
  } finally {
    await world.stop();
  }
}

async function stored(
  gateway: {
    readonly storeSql: {
      query(sql: string, values: unknown[]): Promise<{ rowCount: number | null }>;
    };
  },
  id: string,
): Promise<void> {
  const sql = 'select from countersign.post where request = $1 and ts is not null';
  while ((await gateway.storeSql.query(sql, [id])).rowCount === 0)
    await new Promise((resolve) => setTimeout(resolve, 20));
}
