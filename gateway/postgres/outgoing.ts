import { Reader } from './codec/bytes.ts';
import { ClientMessage } from './codec.ts';

const HEADER = 5;
const RUNS_NOTHING: ReadonlySet<number> = new Set([
  ClientMessage.Parse,
  ClientMessage.Describe,
  ClientMessage.Close,
  ClientMessage.Sync,
  ClientMessage.Flush,
  ClientMessage.CopyData,
  ClientMessage.CopyDone,
  ClientMessage.CopyFail,
]);

/** What bytes may hold besides messages that run nothing. */
type Allowed = 'nothing' | 'execute' | 'one-statement';

/**
 * Looks at everything on its way to the target, and throws on what may not go there: the second net under the session.
 * It knows which portals were bound under a permit, and where a message that goes out in pieces ends.
 */
export class Outgoing {
  readonly #portals = new Set<string>();
  // Bytes of a CopyData that are still to come: only they may go out next, or data would be taken for messages.
  #owed = 0;

  /** Throws unless `bytes` are whole messages of allowed types; only CopyData may go on in the next call. */
  check(bytes: Buffer, allowed: Allowed): void {
    let at = 0;
    if (allowed !== 'nothing') this.checkWhole();
    if (this.#owed > 0) {
      at = Math.min(this.#owed, bytes.length);
      this.#owed -= at;
    }
    let statements = 0;
    let executes = 0;
    while (at < bytes.length) {
      const end = this.#end(bytes, at);
      const type = bytes.readUInt8(at);
      if (this.#look(type, bytes.subarray(at + HEADER, end), allowed)) statements += 1;
      if (type === ClientMessage.Execute) executes += 1;
      at = end;
    }
    // Execute alone, of a portal that is known here all the same, is no more than its permit.
    if (statements === 0 && executes === 1) statements = 1;
    if (allowed === 'one-statement' && statements !== 1)
      throw new Error(`one permit is for one statement, not ${String(statements)}`);
  }

  /** Throws while a CopyData is on its way in pieces. */
  checkWhole(): void {
    if (this.#owed > 0) throw new Error('a CopyData message has not ended');
  }

  #end(bytes: Buffer, at: number): number {
    if (bytes.length - at < HEADER) throw new Error('an incomplete message');
    const length = bytes.readInt32BE(at + 1);
    const end = at + 1 + length;
    if (length < 4) throw new Error('a message with a wrong length');
    if (end <= bytes.length) return end;
    if (bytes[at] !== ClientMessage.CopyData) throw new Error('an incomplete message');
    this.#owed = end - bytes.length;
    return bytes.length;
  }

  /** True when this message needs the permit. */
  #look(type: number, body: Buffer, allowed: Allowed): boolean {
    if (RUNS_NOTHING.has(type)) {
      if (type === ClientMessage.Close && body[0] === 0x50) this.#portals.delete(name(body, 1));
      return false;
    }
    if (type === ClientMessage.Execute && allowed !== 'nothing')
      return this.#executes(name(body, 0), allowed);
    if (allowed === 'one-statement') {
      // A simple query ends the unnamed portal.
      if (type === ClientMessage.Query) return this.#portals.delete('') || true;
      if (type === ClientMessage.Bind) return Boolean(this.#portals.add(name(body, 0)));
      if (type === ClientMessage.FunctionCall) return true;
    }
    throw new Error(`message type ${String(type)} needs a permit`);
  }

  /** As #look: a cursor of SQL's needs a permit of its own, a portal came with one. */
  #executes(portal: string, allowed: Allowed): boolean {
    if (this.#portals.has(portal)) return false;
    if (allowed === 'one-statement') return true;
    throw new Error('Execute of a portal that was not bound under a permit');
  }
}

function name(body: Buffer, at: number): string {
  return new Reader(body, at).cstringBytes().toString('latin1');
}
