import { createRequire } from 'node:module';
import type * as Library from 're2js';

const require = createRequire(import.meta.url);
let loaded: typeof Library.RE2JS | undefined;

/** Takes time to load, and a process that finds nothing needs none of it. */
function parser(): typeof Library.RE2JS {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the package has these types
  return (loaded ??= (require('re2js') as typeof Library).RE2JS);
}

/** Where group 1, or all where there is none, lies in the text. */
export type Match = { readonly start: number; readonly end: number };

/** Tries a pattern at the very start of a text, in time linear in it. */
export type Matcher = (text: string) => Match | undefined;

/**
 * A regular expression engine with RE2's semantics: no look-around, no back-references, and time in proportion to the
 * text for each pattern by construction, whatever the text.
 */
export type Engine = {
  readonly name: 're2' | 're2js';
  compile(pattern: string): Matcher;
};

/** In JavaScript, always there. */
export const portable: Engine = {
  name: 're2js',
  compile(pattern) {
    const compiled = parser().compile(pattern);
    const group = compiled.groupCount();
    if (group > 1) throw new Error(`${pattern} has more than one group`);
    return (text) => {
      const matcher = compiled.matcher(text);
      return matcher.lookingAt()
        ? { start: matcher.start(group), end: matcher.end(group) }
        : undefined;
    };
  },
};

type Compiled = {
  lastIndex: number;
  test(text: string): boolean;
  exec(text: string): RegExpExecArray | null;
};
type Native = new (pattern: string, flags: string) => Compiled;

/** Google's RE2 in C++, where the operator has installed the package `re2`; undefined otherwise. */
export function native(): Engine | undefined {
  const RE2 = load();
  return (
    RE2 && {
      name: 're2',
      compile(pattern) {
        const group = parser().compile(pattern).groupCount();
        return group > 0
          ? withGroup(new RE2(pattern, 'yud'), group)
          : whole(new RE2(pattern, 'yu'));
      },
    }
  );
}

/** Whether it matches, and how far, costs less than what it matched. */
function whole(compiled: Compiled): Matcher {
  return (text) => {
    compiled.lastIndex = 0;
    return compiled.test(text) ? { start: 0, end: compiled.lastIndex } : undefined;
  };
}

function withGroup(compiled: Compiled, group: number): Matcher {
  return (text) => {
    compiled.lastIndex = 0;
    const indices = compiled.exec(text)?.indices?.[group];
    return indices && { start: indices[0], end: indices[1] };
  };
}

function load(): Native | undefined {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its types are there only where it is installed
    return require('re2') as Native;
  } catch (error) {
    // Not installed is what most are; anything else (another Node, a broken build) is told by `countersign doctor`.
    loadFailure =
      error instanceof Error && !/Cannot find module/.test(error.message)
        ? error.message
        : undefined;
    return undefined;
  }
}

let loadFailure: string | undefined;

/** Why an installed `re2` could not be used. */
export const nativeFailure = (): string | undefined => loadFailure;

let chosen: Engine | undefined;

/** The faster one that is there, chosen once. */
export function engine(): Engine {
  return (chosen ??= native() ?? portable);
}
