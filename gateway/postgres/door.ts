import { randomInt } from 'node:crypto';
import type { IdentityConfig } from '#src/config/identity.ts';
import type { Answer, Asked, Claimed, Confirmations } from '#src/identity/confirmations.ts';
import type { Directory, Person } from '#src/identity/person.ts';
import { NotWelcome } from '#src/identity/sign-in.ts';
import type { Tokens } from '#src/identity/token.ts';
import type { Sql } from '#src/store/database.ts';
import type { Cancels } from './cancel.ts';
import { parameterStatus, readyForQuery } from './codec.ts';
import { Fatal } from './fatal.ts';
import type { Arrived, Client, Greeted } from './listener.ts';
import { warningMessage } from './refusal.ts';
import { Waiting } from './waiting.ts';

/** Of those who have shown nothing, in this process: each keeps a connection open. */
const MOST_UNPROVEN = 200;
/** No process of any system has such an id. */
const PIDS = [2 ** 30, 2 ** 31 - 1] as const;

export type DoorParts = {
  readonly confirm: IdentityConfig['confirm'];
  readonly confirmations: Confirmations;
  readonly directory: Directory;
  readonly tokens: Tokens;
  readonly cancels: Cancels;
  /** Of a session that was confirmed without a token. */
  readonly lifetimeMs: number;
  readonly publicUrl: string;
  readonly serve: (client: Client) => Promise<void>;
  readonly onError: (error: unknown) => void;
};

/**
 * Between AuthenticationOk and the session: where the configuration asks for it, the person confirms the connection in
 * the console. Until then nothing of it reaches a target, not even a connection.
 */
export class Door {
  readonly #parts: DoorParts;
  readonly #waiting = new Set<Waiting>();
  #unproven = 0;
  #stopping = false;

  constructor(parts: DoorParts) {
    this.#parts = parts;
  }

  /** Settles when the client's session is over. Rejects with Fatal when there will be none. */
  async enter(arrived: Arrived): Promise<void> {
    const { email: _, person, token, ...rest } = arrived;
    const { confirm, serve } = this.#parts;
    const free = confirm !== 'always' || person?.machine;
    if (person && token !== undefined && free) return await serve({ ...rest, person, token });
    if (confirm === 'never') throw notConfirmed('nothing has shown who you are');
    await this.#confirmed(arrived);
  }

  /** Lets nobody wait any longer. */
  stop(): void {
    this.#stopping = true;
    for (const waiting of this.#waiting) waiting.end(new Fatal('57P01', 'the gateway is stopping'));
  }

  async #confirmed(arrived: Arrived): Promise<void> {
    const { cancels, confirmations, onError, serve } = this.#parts;
    if (this.#stopping) throw new Fatal('57P01', 'the gateway is stopping');
    const unproven = arrived.token === undefined ? 1 : 0;
    if (unproven && this.#unproven >= MOST_UNPROVEN) throw tooMany();
    const asked = await this.#ask(arrived);
    this.#unproven += unproven;
    const say = (): void => void arrived.socket.write(this.#notice(asked));
    const waiting = new Waiting(arrived.socket, arrived.head, say);
    this.#waiting.add(waiting);
    let onCancel: () => void | Promise<void> = () =>
      waiting.end(new Fatal('57014', 'the connection was given up by a cancel request'));
    const pid = randomInt(...PIDS);
    const key = cancels.register(pid, arrived.minor, () => onCancel());
    const greeted: Greeted = {
      confirmation: asked.id,
      parameters: parametersFor(arrived),
      cancels: (then) => void (onCancel = then),
    };
    say();
    arrived.socket.write(greeting(greeted, key.keyData));
    try {
      const client = await this.#settled(arrived, asked, waiting).finally(() => {
        this.#waiting.delete(waiting);
        this.#unproven -= unproven;
        // Nobody should be asked for a connection that is gone; one that was let in has spent it.
        confirmations.end(asked.id).catch(onError);
      });
      await serve({ ...client, head: waiting.release(), greeted });
    } finally {
      waiting.release();
      key.unregister();
    }
  }

  async #ask(arrived: Arrived): Promise<Asked> {
    const { email, agent, token, address, target, database = '', application } = arrived;
    const where = { address, target, database, application };
    const asked = await this.#parts.confirmations
      .open({
        ...where,
        person: email,
        proven: token !== undefined,
        ...(agent !== undefined && { agent }),
      })
      .catch(cannotAsk);
    if (!asked) throw tooMany();
    return asked;
  }

  async #settled(arrived: Arrived, asked: Asked, waiting: Waiting): Promise<Client> {
    const { confirmations, directory } = this.#parts;
    const { email, token, person: _, ...rest } = arrived;
    const answer = await confirmations
      .settled(asked.id, waiting.signal)
      .catch((error: unknown) => (waiting.signal.aborted ? gone(waiting) : cannotAsk(error)));
    if (answer !== 'confirmed') throw notConfirmed(WHY[answer]);
    const claimed = await confirmations.claim(asked.id).catch(cannotAsk);
    if (!claimed) throw notConfirmed(WHY.expired);
    const person = await directory.find(email).catch(cannotAsk);
    if (!person || person.machine) throw notConfirmed('this person is no longer known here');
    const session = await (
      token === undefined
        ? this.#issue(person, arrived, asked.id, claimed)
        : this.#parts.tokens.find(token).then((found) => found?.id)
    ).catch(cannotAsk);
    if (session === undefined) throw notConfirmed('your token or your access has ended meanwhile');
    if (waiting.signal.aborted) gone(waiting);
    return { ...rest, person, token: session };
  }

  /** What the session lives by; ends with what the person had signed in to the console with. Undefined when that has ended. */
  async #issue(
    person: Person,
    { application, address }: Arrived,
    id: string,
    claimed: Claimed,
  ): Promise<string | undefined> {
    const { confirmations, tokens, lifetimeMs } = this.#parts;
    const label = `confirmed for ${application || 'a client'} from ${address}`;
    const stands = (sql: Sql): Promise<boolean> => confirmations.stands(sql, id);
    const kind = { ...claimed, password: false, stands };
    try {
      return (await tokens.issue(person.email, ['connect'], label, lifetimeMs, kind)).info.id;
    } catch (error) {
      if (error instanceof NotWelcome) return undefined;
      throw error;
    }
  }

  #notice({ code, match, expiresAt }: Asked): Buffer {
    return warningMessage({
      message:
        'countersign: confirm this connection in your browser; its statements wait until then',
      detail: `Match code ${match}. Confirm only a page that shows the same. The link works once, until ${expiresAt}.`,
      hint: `${this.#parts.publicUrl}/connect/${code}`,
    });
  }
}

const WHY: Readonly<Record<Exclude<Answer, 'confirmed'>, string>> = {
  denied: 'it was denied in the console',
  expired: 'nobody has confirmed it in time',
};

function notConfirmed(why: string): Fatal {
  return new Fatal('28000', `countersign: this connection was not confirmed: ${why}`, {
    hint: 'Connect again, and open the link that is shown then.',
  });
}

const tooMany = (): Fatal =>
  new Fatal('53300', 'countersign: too many connections wait to be confirmed', {
    hint: 'Confirm or deny those that wait, or try again in ten minutes.',
  });

function gone({ signal }: Waiting): never {
  throw signal.reason;
}

function cannotAsk(cause: unknown): never {
  throw new Fatal('57P03', 'the gateway cannot ask for a confirmation now', {
    hint: 'Try again; if it lasts, the operator should look at the store.',
    cause,
  });
}

/** The oldest PostgreSQL that is supported, and nothing of any target; what the target says follows once there is one. */
function parametersFor({ application }: Arrived): ReadonlyMap<string, string> {
  return new Map([
    ['application_name', application],
    ['client_encoding', 'UTF8'],
    ['DateStyle', 'ISO, MDY'],
    ['integer_datetimes', 'on'],
    ['IntervalStyle', 'postgres'],
    ['is_superuser', 'off'],
    ['server_encoding', 'UTF8'],
    ['server_version', '15.0'],
    ['standard_conforming_strings', 'on'],
    ['TimeZone', 'UTC'],
  ]);
}

function greeting({ parameters }: Greeted, keyData: Buffer): Buffer {
  const status = [...parameters].map(([name, value]) => parameterStatus(name, value));
  return Buffer.concat([...status, keyData, readyForQuery('I')]);
}
