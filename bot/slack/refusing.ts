import { webApi } from '@slack/bolt';
import { RetryAfter } from '../inbox.ts';
import { Closed, Refused } from '../platform.ts';
import { platformError } from './client.ts';

/** Slack's words for a channel that takes nothing at this moment. */
const CLOSED = [
  'channel_not_found',
  'is_archived',
  'not_in_channel',
  'restricted_action',
  'restricted_action_read_only_channel',
];

/** Slack's errors in the words that every platform has. */
export async function refusing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof webApi.WebAPIRateLimitedError)
      throw new RetryAfter(error.retryAfter * 1_000, error);
    const said = platformError(error);
    if (said === undefined) throw error;
    throw CLOSED.includes(said) ? new Closed(said, error) : new Refused(said, error);
  }
}
