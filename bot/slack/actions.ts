import type { App, webApi } from '@slack/bolt';
import { z } from 'zod';
import type { Requests, Vote } from '#src/approval/port.ts';
import type { Directory } from '#src/identity/person.ts';
import type { Database } from '#src/store/database.ts';
import type { BotLog } from '../log.ts';
import { ACTIONS, denyModal, escapeMrkdwn } from './card.ts';
import { clickerOf } from './person.ts';
import { platformError, requestOfPost } from './posts.ts';

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
    private_metadata: z.uuid(),
    state: z.object({
      values: z.object({ reason: z.object({ text: z.object({ value: z.string().nullish() }) }) }),
    }),
  }),
});

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
  readonly requests: Pick<Requests, 'decide'>;
  readonly directory: Directory;
  readonly teams: readonly string[];
  readonly publicUrl: string;
  readonly log: BotLog;
};

const FAILED = 'That could not be decided just now, and nothing was. Try again, or decide here:';
const COPY = 'This is a copy of the card, which decides nothing. Decide here:';

/** Buttons and the modal. Whatever is refused is told to the one who clicked, and to nobody else. */
export function registerActions(app: App, parts: ActionParts): void {
  const { db, log, publicUrl } = parts;
  const link = (request: string) => `${publicUrl}/requests/${request}`;

  /** Only the stored card acts; `act` gives the text to answer with, if any. */
  const onCard = async (
    client: webApi.WebClient,
    body: unknown,
    act: (clicked: Clicked) => Promise<string | undefined>,
  ) => {
    const clicked = readClick(body);
    const answer = await requestOfPost(db, clicked.channel, clicked.ts)
      .then((stored) => (stored === clicked.request ? act(clicked) : COPY))
      .catch((error: unknown) => {
        log.error(
          { err: error, request: clicked.request },
          'a click in Slack could not be handled',
        );
        return FAILED;
      });
    if (answer === undefined) return;
    await client.chat
      .postEphemeral({
        channel: clicked.channel,
        user: clicked.user,
        text: `${escapeMrkdwn(answer)} ${link(clicked.request)}`,
      })
      .catch((error: unknown) => {
        log.warn(
          { err: error, request: clicked.request },
          'the answer to a click was not delivered',
        );
      });
  };

  app.action(ACTIONS.approve, async ({ ack, body, client }) => {
    await ack();
    await onCard(client, body, ({ user, request, version }) =>
      vote(parts, client, user, request, {
        decision: 'approve',
        reason: '',
        via: 'slack',
        version,
      }),
    );
  });

  app.action(ACTIONS.deny, async ({ ack, body, client }) => {
    await ack();
    await onCard(client, body, async ({ trigger, request }) => {
      try {
        await client.views.open({ trigger_id: trigger, view: denyModal(request) });
        return undefined;
      } catch (error) {
        if (platformError(error) !== 'expired_trigger_id') throw error;
        return 'Slack took too long to open the dialog: click Deny again, or decide here:';
      }
    });
  });

  app.view('deny', async ({ ack, body, client }) => {
    const { user, view } = Denial.parse(body);
    const reason = view.state.values.reason.text.value?.trim() ?? '';
    const request = view.private_metadata;
    // No version: a denial stays a denial when somebody else has approved in the meantime.
    const answer =
      reason === ''
        ? 'Give a reason: the requester reads it.'
        : await vote(parts, client, user.id, request, {
            decision: 'deny',
            reason,
            via: 'slack',
          }).catch((error: unknown) => {
            log.error({ err: error, request }, 'a denial in Slack could not be handled');
            return `${FAILED} ${link(request)}`;
          });
    if (answer === undefined) await ack();
    else await ack({ response_action: 'errors', errors: { reason: answer } });
  });

  // Buttons that are links: the click itself needs no answer.
  app.action(ACTIONS.review, async ({ ack }) => await ack());
  app.action(ACTIONS.record, async ({ ack }) => await ack());
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
