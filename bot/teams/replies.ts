import type { Answer } from '../desk.ts';
import type { Post } from '../model.ts';
import { type Card, CARD_TYPE, cardOf } from './render.ts';

/** What Teams takes as the answer to an invoke; each kind of invoke has its own shape. */
export type Reply = object | undefined;

type Told = Extract<Answer, { readonly tell: string }>;

export const told = ({ tell, link }: Told): string =>
  link === undefined ? tell : `${tell} ${link}`;

/** As a message, the link can be pressed. */
export const tellPost = (answer: Told): Post => ({
  summary: answer.tell,
  parts: [
    {
      kind: 'text',
      line: [
        answer.tell,
        ...(answer.link === undefined ? [] : [' ', { text: answer.link, link: answer.link }]),
      ],
    },
  ],
});

/** In the place of the card that was clicked, for whoever clicked. */
export const cardReply = (card: Card): Reply => ({ statusCode: 200, type: CARD_TYPE, value: card });

/** A line at the card, for whoever clicked. */
export const noteReply = (text: string): Reply => ({
  statusCode: 200,
  type: 'application/vnd.microsoft.activity.message',
  value: text,
});

export const foundReply = (results: readonly object[]): Reply => ({
  statusCode: 200,
  type: 'application/vnd.microsoft.search.searchResponse',
  value: { results },
});

/** A dialog that says something. */
export const dialogNote = (text: string): Reply => ({ task: { type: 'message', value: text } });

export const dialog = (title: string, card: Card): Reply => ({
  task: {
    type: 'continue',
    value: {
      title,
      width: 'medium',
      height: 'medium',
      card: { contentType: CARD_TYPE, content: card },
    },
  },
});

export const dialogPost = (post: Post): Reply => dialog(post.title ?? 'Countersign', cardOf(post));
