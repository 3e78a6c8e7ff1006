import type { Request } from '#src/approval/request.ts';
import type { AccessOffice } from '../office.ts';
import type { Platform } from '../platform.ts';
import type { Say, Said } from '../say.ts';
import { glassPost } from './glass.ts';
import { askedPost, decidedPost, overPost, type Shown } from './posts.ts';
import { endedByOthers } from './words.ts';

export type FollowParts = {
  readonly say: Pick<Say, 'say'>;
  readonly office: AccessOffice;
  readonly platforms: readonly Pick<Platform, 'name'>[];
  /** The channels in which the request's card stands. */
  readonly channelsOf: (request: Request, platform: Platform['name']) => readonly string[];
  readonly publicUrl: string;
};

/**
 * Brings what people were told about a request for a role up to it: who asked, and with break-glass everybody who has to
 * know. The same request again changes nothing. Rejects when something has to be said once more.
 */
export async function followAccess(parts: FollowParts, request: Request): Promise<void> {
  if (request.kind === 'statement') return;
  const said = [...toAsker(parts, request), ...(await aboutGlass(parts, request))];
  const done = await Promise.allSettled(said.map((one) => parts.say.say(one)));
  const failed = done.find((one) => one.status === 'rejected');
  if (failed) throw failed.reason;
}

export const shownTo = (
  { office, publicUrl }: Pick<FollowParts, 'office' | 'publicUrl'>,
  { card }: Request,
): Shown => ({ publicUrl, command: office.connect(card.person, card.target) });

function toAsker(parts: FollowParts, request: Request): readonly Said[] {
  const { grant, id, card } = request;
  const to = { person: card.person.email };
  const shown = shownTo(parts, request);
  const news = decidedPost(request, shown);
  return [
    { key: `grant:${id}`, to, post: askedPost(request, shown) },
    ...(news ? [{ key: `grant-decided:${id}`, to, post: news }] : []),
    ...(grant && endedByOthers(grant)
      ? [{ key: `grant-over:${grant.id}`, to, post: overPost(grant) }]
      : []),
  ];
}

/** Loud: in a thread under the card, which stays open, and to each of them. */
async function aboutGlass(parts: FollowParts, request: Request): Promise<readonly Said[]> {
  const { grant } = request;
  if (request.kind !== 'break-glass' || !grant) return [];
  const { groups, people } = await parts.office.alarmed(request);
  const shown = shownTo(parts, request);
  const alone = glassPost(request, grant, [], shown);
  return [
    ...inThread(parts, request, {
      key: `glass:${grant.id}`,
      post: glassPost(request, grant, groups, shown),
    }),
    ...people.map((person) => ({ key: `glass-told:${grant.id}`, to: { person }, post: alone })),
  ];
}

/** One message under the request's card, in each of its channels. */
export function inThread(
  { platforms, channelsOf }: Pick<FollowParts, 'platforms' | 'channelsOf'>,
  request: Request,
  message: Pick<Said, 'key' | 'post'>,
): readonly Said[] {
  return platforms.flatMap(({ name: platform }) =>
    channelsOf(request, platform).map((id) => ({
      ...message,
      to: { platform, id },
      thread: `request:${request.id}`,
    })),
  );
}
