import {
  COSIGNATURE,
  ED25519,
  Malformed,
  parseVkey,
  signedBy,
  type Note,
  type NoteKey,
} from './note.ts';

/** C2SP tlog-policy: which logs, which witnesses, and how many of these must have cosigned. */
export type Trust = {
  readonly logs: readonly { readonly key: NoteKey; readonly url?: string }[];
  readonly witnesses: readonly Witness[];
  readonly quorum: Quorum;
};
export type Witness = { readonly name: string; readonly key: NoteKey; readonly url?: string };
/** True when enough of the named witnesses have signed. */
export type Quorum = (signed: ReadonlySet<string>) => boolean;

/** Reads a policy file. Throws Malformed with every problem, by line. */
export function parseTrust(text: string): Trust {
  const reader = new Reader();
  text.split('\n').forEach((line, at) => reader.line(line, at + 1));
  return reader.end();
}

class Reader {
  readonly #logs: { key: NoteKey; url?: string }[] = [];
  readonly #witnesses: Witness[] = [];
  readonly #named = new Map<string, Quorum>([['none', () => true]]);
  readonly #members = new Set<string>(['none']);
  readonly #problems: string[] = [];
  #quorum: Quorum | undefined;

  line(text: string, number: number): void {
    const words = text.split(/[ \t]+/).filter((word) => word !== '');
    const [kind, ...rest] = words;
    if (kind === undefined || kind.startsWith('#')) return;
    try {
      // oxlint-disable-next-line no-control-regex -- the control characters are what is refused
      if (/[\x00-\x08\x0b-\x1f\x7f]/.test(text))
        throw new Malformed('it holds a control character');
      if (kind === 'log') this.#log(rest);
      else if (kind === 'witness') this.#witness(rest);
      else if (kind === 'group') this.#group(rest);
      else if (kind === 'quorum') this.#end(rest);
      else throw new Malformed(`it begins with ${kind}, not with log, witness, group or quorum`);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.#problems.push(`line ${number}: ${error.message}`);
    }
  }

  end(): Trust {
    if (!this.#quorum) this.#problems.push('there is no quorum line');
    if (!this.#quorum || this.#problems.length > 0) throw new Malformed(this.#problems.join('\n'));
    return { logs: this.#logs, witnesses: this.#witnesses, quorum: this.#quorum };
  }

  #log([vkey = '', url, ...more]: readonly string[]): void {
    const key = parseVkey(vkey);
    if (key.type !== ED25519) throw new Malformed('the key of a log is an Ed25519 key');
    if (more.length > 0) throw new Malformed('a log has a key and perhaps a URL, no more');
    refuseTwice(key, this.#logs);
    this.#logs.push({ key, ...(url !== undefined && { url }) });
  }

  #witness([name = '', vkey = '', url, ...more]: readonly string[]): void {
    const key = parseVkey(vkey);
    if (key.type !== COSIGNATURE) throw new Malformed('the key of a witness is a cosignature key');
    if (more.length > 0)
      throw new Malformed('a witness has a name, a key and perhaps a URL, no more');
    refuseTwice(key, this.#witnesses);
    this.#define(name, (signed) => signed.has(name));
    this.#witnesses.push({ name, key, ...(url !== undefined && { url }) });
  }

  #group([name = '', threshold = '', ...members]: readonly string[]): void {
    const parts = members.map((member) => {
      const part = this.#named.get(member);
      if (!part) throw new Malformed(`${member} is not defined above it`);
      if (this.#members.has(member))
        throw new Malformed(`${member} cannot be a member of this group`);
      this.#members.add(member);
      return part;
    });
    const least = { all: parts.length, any: 1 }[threshold] ?? Number(threshold);
    const isCount = least >= 1 && least <= parts.length;
    // Number() reads more than decimal.
    if (!isCount || !/^(?:all|any|[1-9]\d*)$/.test(threshold))
      throw new Malformed(`${threshold} of ${parts.length} members is not possible`);
    this.#define(name, (signed) => parts.filter((part) => part(signed)).length >= least);
  }

  #end([name = '', ...more]: readonly string[]): void {
    const quorum = this.#named.get(name);
    if (!quorum || more.length > 0)
      throw new Malformed(`the quorum ${name} is not defined above it`);
    if (this.#quorum) throw new Malformed('there is a second quorum line');
    this.#quorum = quorum;
  }

  #define(name: string, quorum: Quorum): void {
    if (name === '' || this.#named.has(name)) throw new Malformed(`the name ${name} is taken`);
    this.#named.set(name, quorum);
  }
}

function refuseTwice(key: NoteKey, others: readonly { readonly key: NoteKey }[]): void {
  if (others.some((other) => other.key.raw.equals(key.raw)))
    throw new Malformed('this key is there already');
}

/** Why a checkpoint's note is not to be trusted, in words; undefined when it is. */
export function distrust(trust: Trust, note: Note, origin: string): string | undefined {
  const log = trust.logs.find(({ key }) => key.name === origin && signedBy(note, key) === true);
  if (!log) return `no log of the policy has signed it as ${origin}`;
  const signed = trust.witnesses.filter(({ key }) => signedBy(note, key) !== false);
  if (trust.quorum(new Set(signed.map(({ name }) => name)))) return undefined;
  const names = signed.map(({ name }) => name).join(', ') || 'none';
  return `too few witnesses have cosigned it: ${names} of ${trust.witnesses.length}`;
}
