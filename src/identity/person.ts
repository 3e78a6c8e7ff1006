/** Who asks. `email` is the person's key everywhere; `groups` come from config or the provider, never from the client. */
export type Person = {
  readonly email: string;
  readonly name: string;
  readonly groups: readonly string[];
  /** A program of the configuration: it asks and never decides, whatever groups it has. */
  readonly machine?: true;
  /** Where approvals are looked at: what they may decide for beside their groups. It gives nothing else. */
  readonly stands?: readonly Standing[];
};

/** `oncall:<name>` while they are on call; or a group of the colleague (their e-mail address) who is away. */
export type Standing = { readonly group: string; readonly for?: string };

/** A program that always acts for a person, and never with more power than that person. */
export type Agent = { readonly id: string; readonly groups: readonly string[] };

/** Whose power a statement runs under: the person, the agent that acts for them, and the roles that live grants give. */
export type Subject = {
  readonly person: Person;
  readonly agent?: Agent;
  /** `<target>/<role>` of every grant that is live now. */
  readonly roles: readonly string[];
};

/** Looks people up as they are now, so that a removed group takes effect at the next question. */
export interface Directory {
  /** Resolves undefined for nobody; rejects when the directory cannot be asked (the caller fails closed). */
  find(email: string): Promise<Person | undefined>;
}
