import { type Command } from 'commander';
import { UsageError } from './command-error.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** The words that may follow each path of commands: commands and flags. */
function wordsOf(command: Command, path = ''): [string, readonly string[]][] {
  const help = command.createHelp();
  const options = [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)];
  const words = [...command.commands.map((child) => child.name()), ...options.flatMap(({ long }) => long ?? [])];
  return [[path, words], ...command.commands.flatMap((child) => wordsOf(child, `${path} ${child.name()}`.trim()))];
}

/**
 * A script that completes commands and flags.
 * @throws UsageError
 */
export function completionOf(program: Command, shell: string): string {
  const name = program.name();
  const entries = wordsOf(program);
  switch (shell) {
    case 'bash':
      return bash(name, entries);
    case 'zsh':
      return `autoload -U +X bashcompinit && bashcompinit\n${bash(name, entries)}`;
    case 'fish':
      return entries.map(([path, words]) => fish(name, path, words)).join('');
    default:
      throw new UsageError(`"${shell}" is no shell that is known here: expected one of ${SHELLS.join(', ')}`);
  }
}

function bash(name: string, entries: readonly (readonly [string, readonly string[]])[]): string {
  const fn = `_${name.replaceAll('-', '_')}`;
  const cases = entries.map(([path, words]) => `    "${path}") words="${words.join(' ')}" ;;`).join('\n');
  return `${fn}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  while :; do
    case "$path" in
${cases}
    esac
    if [ -n "$words" ] || [ -z "$path" ]; then break; fi
    case "$path" in *" "*) path="\${path% *}" ;; *) path="" ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F ${fn} ${name}
`;
}

function fish(name: string, path: string, words: readonly string[]): string {
  const condition = path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${path.split(' ').at(-1)}`;
  return words
    .map(
      (word) =>
        `complete -c ${name} -f -n '${condition}' ${word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`}\n`,
    )
    .join('');
}
