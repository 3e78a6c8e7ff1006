import { COMMON, parse, type Command, type Entry, type Option } from './command.ts';
import { EXIT, usageFailure } from './failure.ts';
import type { Terminal } from './terminal.ts';

type Table = Readonly<Record<string, Entry>>;
type Known = {
  readonly name: string;
  readonly summary: string;
  /** What may come behind the name: `list`, `approve`. */
  readonly actions: readonly string[];
  readonly options: readonly (readonly [string, Option])[];
};

const SHELLS = { bash, zsh, fish } as const;

/** Made from the table of commands, so that what is completed is what is there. */
export function completionsCommand(table: Table): Command {
  return {
    usage: ['completions bash|zsh|fish'],
    about: 'Prints a script that completes commands, actions and options in your shell.',
    options: {},
    examples: [
      'eval "$(countersign completions bash)"',
      'countersign completions zsh > "${fpath[1]}/_countersign"',
      'countersign completions fish > ~/.config/fish/completions/countersign.fish',
    ],
    run: (argv, terminal) => completions(argv, table, terminal),
  };
}

async function completions(
  argv: readonly string[],
  table: Table,
  terminal: Terminal,
): Promise<number> {
  const [shell, ...more] = parse(argv, {}).positionals;
  if (shell !== 'bash' && shell !== 'zsh' && shell !== 'fish')
    throw usageFailure(
      shell === undefined ? 'for which shell?' : `there are none for ${shell}`,
      'it is bash, zsh or fish',
    );
  if (more.length > 0) throw usageFailure(`what is ${more.join(' ')}?`, 'see --help');
  terminal.out(SHELLS[shell](await known(table)));
  return EXIT.done;
}

async function known(table: Table): Promise<readonly Known[]> {
  return Promise.all(
    Object.entries(table).map(async ([name, entry]) => {
      const { usage, options } = await entry.load();
      const actions = usage.flatMap((line) => actionsIn(line));
      const all = Object.entries<Option>({ ...options, ...COMMON });
      return { name, summary: entry.summary, actions: [...new Set(actions)], options: all };
    }),
  );
}

/** `requests [list] …` has list, `completions bash|zsh|fish` has three; `query TARGET` has none. */
function actionsIn(usage: string): string[] {
  const second = /^\S+ \[?([a-z][a-z|-]*)\]?(?: |$)/u.exec(usage)?.[1];
  return second?.split('|') ?? [];
}

const flags = ({ options }: Known): string[] => options.map(([name]) => `--${name}`);

function bash(commands: readonly Known[]): string {
  const cases = commands.map(
    (each) =>
      `    ${each.name}) words='${flags(each).join(' ')}'; actions='${each.actions.join(' ')}' ;;`,
  );
  return `# bash completion for countersign
_countersign() {
  local word=\${COMP_WORDS[COMP_CWORD]} words='' actions='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    # What follows is another program's.
    [[ \${COMP_WORDS[i]} == -- ]] && { COMPREPLY=($(compgen -f -- "$word")); return; }
  done
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} --help --version' -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
    *) return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  elif ((COMP_CWORD == 2)) && [[ -n $actions ]]; then
    COMPREPLY=($(compgen -W "$actions" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -o bashdefault -F _countersign countersign`;
}

/** Within single quotes of a POSIX shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
/** `_describe` and `_arguments` read colons and brackets themselves. */
const escaped = (text: string): string => text.replaceAll(/[\\:[\]]/gu, '\\$&');

function zsh(commands: readonly Known[]): string {
  const list = commands.map(({ name, summary }) => `    ${quoted(`${name}:${escaped(summary)}`)}`);
  const cases = commands.map((each) => {
    const options = each.options.map(([name, { type, about, value = 'VALUE' }]) =>
      quoted(
        `--${name}${type === 'string' ? '=' : ''}[${escaped(about)}]${type === 'string' ? `:${value}:_files` : ''}`,
      ),
    );
    const rest =
      each.actions.length > 0
        ? `'1:action:(${each.actions.join(' ')})' '*: :_files'`
        : `'*: :_files'`;
    return `    ${each.name}) _arguments -s ${options.join(' ')} ${rest} ;;`;
  });
  return `#compdef countersign
_countersign() {
  local -a commands
  commands=(
${list.join('\n')}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local name=$words[2]
  shift words
  ((CURRENT--))
  case $name in
${cases.join('\n')}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _countersign "$@"
else
  compdef _countersign countersign
fi`;
}

/** Within single quotes of fish, which knows \\\\ and \\'. */
const fishQuoted = (text: string): string => `'${text.replaceAll(/[\\']/gu, '\\$&')}'`;

function fish(commands: readonly Known[]): string {
  const lines = commands.flatMap((each) => {
    const here = `-n '__fish_seen_subcommand_from ${each.name}'`;
    return [
      `complete -c countersign -n __fish_use_subcommand -f -a ${each.name} -d ${fishQuoted(each.summary)}`,
      ...(each.actions.length > 0
        ? [`complete -c countersign ${here} -f -a ${fishQuoted(each.actions.join(' '))}`]
        : []),
      ...each.options.map(([name, { type, short, about }]) =>
        [
          `complete -c countersign ${here} -l ${name}`,
          ...(short === undefined ? [] : [`-s ${short}`]),
          ...(type === 'string' ? ['-r'] : []),
          `-d ${fishQuoted(about)}`,
        ].join(' '),
      ),
    ];
  });
  return ['# fish completion for countersign', ...lines].join('\n');
}
