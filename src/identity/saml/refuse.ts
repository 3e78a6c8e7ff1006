import { NotWelcome } from '../sign-in.ts';

/** A message of a provider that is not believed; `why` goes into the record, the message to the person. */
export class SamlRefused extends NotWelcome {
  override name = 'SamlRefused';
  readonly why: string;
  constructor(why: string) {
    super(
      `What the provider sent was refused: ${why}. Begin again; if it is refused again, show this to your administrator.`,
    );
    this.why = why;
  }
}

export function refuse(why: string): never {
  throw new SamlRefused(why);
}

/** A file that the configuration names cannot be used; the message is for the operator and holds no secret. */
export class NotSetUp extends Error {
  override name = 'NotSetUp';
}
