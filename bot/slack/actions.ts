import { setTimeout as sleep } from 'node:timers/promises';
import type { App, webApi } from '@slack/bolt';
import { z } from 'zod';
import type { Requests, Vote } from '#src/approval/port.ts';
import type { Directory } from '#src/identity/person.ts';
import type { Database } from '#src/store/database.ts';
import type { BotLog } from '../log.ts';
import { ACTIONS, denyModal, escapeMrkdwn } from './card.ts';
import { platformError } from './client.ts';
import { clickerOf } from './person.ts';
import { isCardOf } from './posts.ts';

const Click = z.object({
  user: z.object({ id: z.string() }),
  channel: z.object({ id: z.string() }),
  message: z.object({ ts: z.string() }),
  trigger_id: z.string(),
  actions: z.array(z.object({ value: z.string().regex(/^[0-9a-f-]{36}\.\d{1,9}$/) })).length(1),
});

const Denial = z.object({
  user: z.object({ id: z.string() }),
  view: z.object({
    private_metadata: z.string(),
    state: z.object({
      values: z.object({ reason: z.object({ text: z.object({ value: z.string().nullish() }) }) }),
    }),
  }),
});

/** What the modal carries through Slack: its request, and where to answer who sent it. */
const ModalState = z.object({ request: z.uuid(), channel: z.string() });

type Clicked = {
  readonly user: string;
  readonly channel: string;
  readonly ts: string;
  readonly trigger: string;
  readonly request: string;
  readonly version: number;
};

export type ActionParts = {
  readonly db: Database;
  readonly requests: Pick<Requests, 'get' | 'decide'>;
  readonly directory: Directory;
  readonly teams: readonly string[];
  readonly publicUrl: string;
  readonly log: BotLog;
};

/** Slack waits three seconds for an answer, and then shows the person an error. */
const ACK_MS = 2_000;
/** A card is shown before its ts is stored; a click in that moment waits for it. */
const POSTING_MS = 1_500;
const POSTING_STEP_MS = 100;
const FAILED = 'That could not be decided just now, and nothing was. Try again, or decide here:';
const COPY = 'This is a copy of the card, which decides nothing. Decide here:';
const POSTING = 'This card is still being posted: click again in a moment, or decide here:';
const SLOW_DIALOG = 'Slack took too long to open the dialog: click Deny again, or decide here:';

/** Buttons and the modal. Whatever is refused is told to the one who clicked, and to nobody else. */
export function registerActions(app: App, parts: ActionParts): void {
  const { log } = parts;

  for (const action of [ACTIONS.approve, ACTIONS.approveShape])
    app.action(action, async ({ ack, body, client }) => {
      const click = onCard(parts, client, body, ({ user, request, version }) =>
        vote(parts, client, user, request, {
          decision: 'approve',
          reason: '',
          via: 'slack',
          version,
          ...(action === ACTIONS.approveShape && { shape: true }),
        }),
      );
      await inTime(click);
      await ack();
      await click;
    });

  app.action(ACTIONS.deny, async ({ ack, body, client }) => {
    const click = onCard(parts, client, body, async ({ trigger, request, channel }) => {
      const now = await parts.requests.get(request);
      if (now?.state !== 'pending')
        return `This request can no longer be decided: it is ${now?.state ?? 'gone'}.`;
      const state = JSON.stringify({ request, channel });
      try {
        await client.views.open({ trigger_id: trigger, view: denyModal(state) });
        return undefined;
      } catch (error) {
        if (platformError(error) !== 'expired_trigger_id') throw error;
        return SLOW_DIALOG;
      }
    });
    await inTime(click);
    await ack();
    await click;
  });

  app.view('deny', async ({ ack, body, client }) => {
    const { user, view } = Denial.parse(body);
    const reason = view.state.values.reason.text.value?.trim() ?? '';
    const { request, channel } = ModalState.parse(JSON.parse(view.private_metadata));
    const denial = deny(parts, client, user.id, request, reason).catch((error: unknown) => {
      log.error({ err: error, request }, 'a denial in Slack could not be handled');
      return `${FAILED} ${linkTo(parts, request)}`;
    });
    const soon = await inTime(denial);
    const answer = soon === LATE ? undefined : soon;
    if (answer === undefined) await ack();
    else await ack({ response_action: 'errors', errors: { reason: answer } });
    // The modal is closed by now: what it could not say is said in the channel.
    const late = soon === LATE ? await denial : undefined;
    if (late !== undefined) await tell(parts, client, { user: user.id, channel, request }, late);
  });

  // Buttons that are links: the click itself needs no answer.
  app.action(ACTIONS.review, async ({ ack }) => await ack());
  app.action(ACTIONS.record, async ({ ack }) => await ack());
}

const LATE = Symbol('late');

/** What `work` comes to, or `LATE` when Slack would not wait for it. */
function inTime<T>(work: Promise<T>): Promise<T | typeof LATE> {
  return Promise.race([work, sleep(ACK_MS, LATE, { ref: false })]);
}

/** Only the stored card acts; `act` gives the text to answer with, if any. */
async function onCard(
  parts: ActionParts,
  client: webApi.WebClient,
  body: unknown,
  act: (clicked: Clicked) => Promise<string | undefined>,
): Promise<void> {
  const clicked = readClick(body);
  const answer = await placeOf(parts.db, clicked)
    .then((place) => (place === 'card' ? act(clicked) : place === 'copy' ? COPY : POSTING))
    .catch((error: unknown) => {
      parts.log.error(
        { err: error, request: clicked.request },
        'a click in Slack could not be handled',
      );
      return FAILED;
    });
  if (answer !== undefined) await tell(parts, client, clicked, answer);
}

async function placeOf(db: Database, { request, channel, ts }: Clicked) {
  for (let waited = 0; ; waited += POSTING_STEP_MS) {
    const place = await isCardOf(db, request, channel, ts);
    if (place !== 'unknown' || waited >= POSTING_MS) return place;
    await sleep(POSTING_STEP_MS);
  }
}

/** Says it, with the link to the request, to this person alone. */
async function tell(
  parts: ActionParts,
  client: webApi.WebClient,
  to: Pick<Clicked, 'user' | 'channel' | 'request'>,
  text: string,
): Promise<void> {
  const { channel, user, request } = to;
  const link = linkTo(parts, request);
  const whole = text.includes(link) ? escapeMrkdwn(text) : `${escapeMrkdwn(text)} ${link}`;
  await client.chat.postEphemeral({ channel, user, text: whole }).catch((error: unknown) => {
    parts.log.warn({ err: error, request }, 'the answer to a click was not delivered');
  });
}

function linkTo({ publicUrl }: ActionParts, request: string): string {
  return `${publicUrl}/requests/${request}`;
}

/** No version goes with it: a denial stays a denial when somebody else has approved in the meantime. */
async function deny(
  parts: ActionParts,
  client: webApi.WebClient,
  user: string,
  request: string,
  reason: string,
): Promise<string | undefined> {
  if (reason === '') return 'Give a reason: the requester reads it.';
  return await vote(parts, client, user, request, { decision: 'deny', reason, via: 'slack' });
}

async function vote(
  parts: ActionParts,
  client: webApi.WebClient,
  user: string,
  request: string,
  ballot: Vote,
): Promise<string | undefined> {
  const clicker = await clickerOf(client, parts.directory, parts.teams, user);
  if ('refused' in clicker) return clicker.refused;
  const decided = await parts.requests.decide(request, clicker.person, ballot);
  return decided.ok ? undefined : decided.refusal.message;
}

function readClick(body: unknown): Clicked {
  const click = Click.parse(body);
  const [request = '', version = ''] = (click.actions[0]?.value ?? '').split('.');
  return {
    user: click.user.id,
    channel: click.channel.id,
    ts: click.message.ts,
    trigger: click.trigger_id,
    request,
    version: Number(version),
  };
}
