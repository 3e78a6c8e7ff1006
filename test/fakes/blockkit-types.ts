// What the schema is generated from; see blockkit-schema.ts.
import type { HomeView, KnownBlock, ModalView } from '@slack/types';

export type SlackMessage = { text: string; blocks: KnownBlock[] };
export type SlackView = ModalView;
export type SlackHome = HomeView;
