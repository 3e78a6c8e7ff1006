import type { Account, Actor } from './desk.ts';

/** Who an account in chat is, and where a person is reached. */
export interface ChatPeople {
  /**
   * Who may act with this account at this moment. `unlinked`: nobody yet; `link` is where they sign in once to say who
   * they are (for their eyes only). Rejects when the directory or the platform cannot be asked: then nothing is done.
   */
  actor(
    account: Account,
  ): Promise<
    { readonly actor: Actor } | { readonly refused: string } | { readonly unlinked: string }
  >;
  /** The accounts of a person, on every platform; none: chat cannot reach them. */
  accounts(email: string): Promise<readonly Account[]>;
}
