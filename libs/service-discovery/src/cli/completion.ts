import { type Command, type Option } from 'commander';
import { RegistryClient } from '../client/index.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** A key that waits for longer feels stuck. */
const TIMEOUT = '1s';

/** Words that a shell takes as they are. Names come from other processes, so no other may reach a command line. */
const PLAIN_WORD = /^[\w.:@/-]+$/;

/** A script that asks the hidden command `__complete` what may follow the line up to the cursor. */
export function completionScript(name: string, shell: (typeof SHELLS)[number]): string {
  const fn = `_${name.replaceAll('-', '_')}`;
  switch (shell) {
    case 'bash':
      // Bash replaces only what follows the last colon.
      return `${fn}() {
  local IFS=$'\\n' line="\${COMP_LINE:0:COMP_POINT}"
  local word="\${line##* }"
  COMPREPLY=($("$1" __complete "$line" 2>/dev/null))
  COMPREPLY=("\${COMPREPLY[@]#"\${word%"\${word##*:}"}"}")
}
complete -o default -F ${fn} ${name}
`;
    case 'zsh':
      return `(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
${fn}() {
  local -a found
  found=(\${(f)"$("$words[1]" __complete "\${(j: :)words[1,CURRENT]}" 2>/dev/null)"})
  if (( $#found )); then compadd -a found; else _files; fi
}
compdef ${fn} ${name}
`;
    case 'fish':
      return `complete -c ${name} -f -a '(${name} __complete (commandline -cp | string collect) 2>/dev/null)'
complete -c ${name} -F -n '__fish_seen_subcommand_from kong'
`;
  }
}

/** What may follow a line: commands, options and their choices, and the names that the registry has. */
export async function complete(program: Command, line: string): Promise<string[]> {
  const [, ...words] = line.split(/\s+/);
  const current = words.pop() ?? '';
  const typed = read(program, words);
  const found = current.startsWith('-') ? flagsOf(typed.command) : await wordsAfter(typed, program.opts());
  return found.filter((word) => word.startsWith(current) && PLAIN_WORD.test(word));
}

/** A line as far as it is typed. */
interface Typed {
  readonly command: Command;
  readonly args: readonly string[];
  readonly values: ReadonlyMap<string, string>;
  /** The option whose value comes next. */
  readonly open?: Option;
}

function read(program: Command, words: readonly string[]): Typed {
  let command = program;
  let open: Option | undefined;
  const args: string[] = [];
  const values = new Map<string, string>();
  for (const word of words) {
    if (open) {
      values.set(open.attributeName(), word);
      open = undefined;
    } else if (word.startsWith('-')) {
      open = optionsOf(command).find((option) => option.required && option.long === word);
    } else {
      const child = command.commands.find((candidate) => candidate.name() === word);
      if (child) command = child;
      else args.push(word);
    }
  }
  return { command, args, values, open };
}

async function wordsAfter(
  { command, args, values, open }: Typed,
  defaults: { readonly url: string; readonly token?: string },
): Promise<readonly string[]> {
  if (open) return open.argChoices ?? [];
  const commands = command.createHelp().visibleCommands(command);
  if (commands.length > 0) return commands.map((child) => child.name());
  const argument = command.registeredArguments[args.length];
  if (argument?.argChoices) return argument.argChoices;
  const name = argument?.name();
  if (name !== 'service' && name !== 'instance') return [];
  const registry = new RegistryClient({
    url: values.get('url') ?? defaults.url,
    token: values.get('token') ?? defaults.token,
    requestTimeout: TIMEOUT,
  });
  try {
    if (name === 'service') return (await registry.services()).map(({ service_name: service }) => service);
    return (await registry.service(args[0] ?? '')).instances.map(({ instance_id: id }) => id);
  } finally {
    await registry.close();
  }
}

function optionsOf(command: Command): readonly Option[] {
  const help = command.createHelp();
  return [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)];
}

function flagsOf(command: Command): readonly string[] {
  return optionsOf(command).flatMap(({ long }) => long ?? []);
}
