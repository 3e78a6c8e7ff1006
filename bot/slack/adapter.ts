import type { App, ViewResponseAction } from '@slack/bolt';
import type { Answer, FormAnswer } from '../desk.ts';
import {
  type AnswerParts,
  answering,
  type Asked,
  inTime,
  LATE,
  tellPost,
  told,
} from './answers.ts';
import { type Changes, registerEvents } from './events.ts';
import {
  accountOf,
  Click,
  Command,
  Metadata,
  Shortcut,
  Submission,
  Suggestion,
  typedText,
  valuesOf,
} from './payloads.ts';
import { closingModal, type Known, modalOf, optionsOf } from './render.ts';

export type AdapterParts = AnswerParts & { readonly changes?: Changes };

/**
 * Slack's side of the desk: finds out who acts, gives the act to the desk, and the answer back to that person alone, in
 * Slack's three seconds or later.
 */
export function registerDesk(app: App, parts: AdapterParts): void {
  const { desk } = parts;
  const answers = answering(parts);
  const { answerTo, give, messageOf, publishHome } = answers;
  const knownFor = (answer: FormAnswer): Promise<Known> =>
    answers.known(
      answer && 'show' in answer
        ? answer.show
        : { summary: '', parts: (answer && 'form' in answer && answer.form.parts) || [] },
    );

  app.action(/.*/, async ({ ack, body, client }) => {
    const click = Click.parse(body);
    const [action] = click.actions;
    const handler = action && desk.buttons?.[action.action_id];
    // Buttons that are links: the click itself needs no answer.
    if (!handler || action.value === undefined) return await ack();
    const { value } = action;
    const asked: Asked = {
      account: accountOf(click),
      trigger: click.trigger_id,
      place: {
        ...(click.channel && { channel: click.channel.id }),
        ...(click.message && { message: click.message.ts }),
      },
    };
    const done = answerTo(asked, (act) => handler({ ...act, value })).then(async (answer) => {
      await give(client, asked, answer);
      if (click.container.type === 'view') await publishHome(client, asked.account);
    });
    await inTime(done);
    await ack();
    await done;
  });

  app.view(/.*/, async ({ ack, body, client }) => {
    const { view, ...sender } = Submission.parse(body);
    const { state, channel } = Metadata.parse(JSON.parse(view.private_metadata));
    const handler = desk.forms?.[view.callback_id];
    if (!handler) return await ack();
    const asked: Asked = {
      account: accountOf(sender),
      place: channel === undefined ? {} : { channel },
      ...(sender.trigger_id !== undefined && { trigger: sender.trigger_id }),
    };
    const fields = Object.keys(view.state.values);
    const done = answerTo<FormAnswer>(asked, (act) =>
      handler({ ...act, state, values: valuesOf(view.state.values) }),
    );
    const soon = await inTime(done);
    if (soon === LATE) {
      // The modal is closed by now: what it could not say is said where it was opened.
      await ack();
      const late = await done;
      return await give(client, asked, late && 'errors' in late ? tellErrors(late.errors) : late);
    }
    await ack(submitted(soon, { fields, channel, known: await knownFor(soon) }));
    // What was opened from App Home changes what stands there; nobody waits for it.
    if (channel === undefined && (!soon || 'show' in soon))
      void publishHome(client, asked.account).catch((error: unknown) =>
        parts.log.warn({ err: error }, 'App Home was not brought up to date'),
      );
  });

  app.options(/.*/, async ({ ack, body }) => {
    const { action_id: source, value, ...sender } = Suggestion.parse(body);
    const search = desk.searches?.[source];
    const found = answerTo({ account: accountOf(sender), place: {} }, async ({ actor }) =>
      search ? { choices: await search(actor, value) } : undefined,
    );
    const soon = await inTime(found);
    const choices = soon !== LATE && soon && 'choices' in soon ? soon.choices : [];
    await ack({ options: optionsOf(choices) });
  });

  app.command(/.*/, async ({ ack, body, client }) => {
    const command = Command.parse(body);
    const handler = desk.commands?.[command.command.replace(/^\//, '')];
    if (!handler) return await ack();
    const asked: Asked = {
      account: { platform: 'slack', workspace: command.team_id, user: command.user_id },
      place: { channel: command.channel_id },
      trigger: command.trigger_id,
    };
    const text = typedText(command.text);
    const done = answerTo(asked, (act) => handler({ ...act, text }), text);
    const soon = await inTime(done);
    if (soon !== LATE && soon && !('form' in soon)) {
      // The answer to the command itself is shown even where the bot is not in the channel.
      return await ack({ response_type: 'ephemeral', ...(await messageOf(soon)) });
    }
    await ack();
    await give(client, asked, await done);
  });

  app.shortcut(/.*/, async ({ ack, body, client }) => {
    const shortcut = Shortcut.parse(body);
    const handler = desk.commands?.[shortcut.callback_id];
    if (!handler) return await ack();
    const asked = { account: accountOf(shortcut), place: {}, trigger: shortcut.trigger_id };
    const done = answerTo(asked, (act) => handler({ ...act, text: '' })).then((answer) =>
      give(client, asked, answer),
    );
    await inTime(done);
    await ack();
    await done;
  });

  registerEvents(app, parts, answers);
}

type Sent = {
  readonly fields: readonly string[];
  readonly channel: string | undefined;
  readonly known: Known;
};

function submitted(
  answer: FormAnswer,
  { fields, channel, known }: Sent,
): ViewResponseAction | undefined {
  if (!answer) return undefined;
  if ('errors' in answer) return atFields(answer.errors, fields);
  if ('form' in answer) {
    const { state } = answer.form;
    const metadata = JSON.stringify({ state, ...(channel !== undefined && { channel }) });
    return { response_action: 'update', view: modalOf(answer.form, metadata, known) };
  }
  const [first] = fields;
  // A failure is said at the form, which stays open; what is shown takes its place.
  if ('tell' in answer && first !== undefined) return atFields({ [first]: told(answer) }, fields);
  const post = 'show' in answer ? answer.show : tellPost(answer);
  return {
    response_action: 'update',
    view: closingModal(post.title ?? 'Countersign', post, known),
  };
}

/** Slack takes errors at fields that the form has, and shows at most 2,000 characters. */
function atFields(
  errors: Readonly<Record<string, string>>,
  fields: readonly string[],
): ViewResponseAction {
  const [first = ''] = fields;
  const at = new Map<string, string>();
  for (const [id, text] of Object.entries(errors)) {
    const field = fields.includes(id) ? id : first;
    at.set(field, [at.get(field), text].filter(Boolean).join(' ').slice(0, 2_000));
  }
  return { response_action: 'errors', errors: Object.fromEntries(at) };
}

const tellErrors = (errors: Readonly<Record<string, string>>): Answer => ({
  tell: Object.values(errors).join(' '),
});
