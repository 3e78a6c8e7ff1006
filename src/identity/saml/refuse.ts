import { NotWelcome } from '../sign-in.ts';

/** Throws what the person may read of a message of a provider that is not believed. */
export function refuse(why: string): never {
  throw new NotWelcome(
    `What the provider sent was refused: ${why}. Sign in again; if it is refused again, show this to your administrator.`,
  );
}

/** A file that the configuration names cannot be used; the message is for the operator and holds no secret. */
export class NotSetUp extends Error {
  override name = 'NotSetUp';
}
