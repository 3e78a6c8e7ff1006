/** Why a session ends although nobody in it asked for that, and what its person can do now. */
export type Ending = {
  readonly why: string;
  readonly hint: string;
  /** The record of its end is written already, with who ended it. */
  readonly recorded?: true;
  /** What runs may end first. */
  readonly finish?: true;
};

export const STOPPING: Ending = { why: 'the gateway is stopping', hint: 'Connect again.' };

export const TOKEN_ENDED: Ending = {
  why: 'the token of this session was revoked or has expired',
  hint: 'Connect with another token: countersign login, or Your account in the console. If you did not end this one, its records say who did.',
};

export const UNKNOWN_PERSON: Ending = {
  why: 'this person is no longer known here',
  hint: 'Sign in to the console again. If that is refused, whoever administers people here can let you in again.',
};

export const UNWELCOME: Ending = {
  why: 'this person may no longer connect here',
  hint: 'Your groups, grants or the rules have changed: ask for access again, or ask whoever keeps the rules of this target.',
};

export const TARGET_GONE: Ending = {
  why: 'this target was taken out',
  hint: 'Ask the operator of the gateway where it is now.',
};

/** Somebody, or the provider, has ended everything of this person. */
export const personEnded = (why: string): Ending => ({
  why,
  hint: 'Everything of yours was ended here. Whoever administers people, or your identity provider, can let you in again; then connect again.',
});

/** A grant that was live in this session is over. */
export const grantEnded = (role: string, why: string | null, finish: boolean): Ending => ({
  why: `your grant of the role ${role} has ended${why === null ? '' : `: ${why}`}`,
  hint: 'Connect again for what you may do without it, or ask for the role again: countersign access ask.',
  ...(finish && { finish }),
});

/** Somebody has ended this very session. */
export const sessionEnded = (by: string, why: string, person: string): Ending => ({
  why:
    by === person ? `you have ended this session: ${why}` : `${by} has ended this session: ${why}`,
  hint: 'What ran was cancelled, and what waited was withdrawn. Connect again when you need to.',
  recorded: true,
});
