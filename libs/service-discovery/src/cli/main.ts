#!/usr/bin/env node
import { createRequire } from 'node:module';
import { type Command, CommanderError } from 'commander';
import { ServiceDiscoveryError } from '../common/index.js';
import { CommandError, UsageError } from './command-error.js';
import { makeProgram } from './program.js';

const { stdout, stderr, env } = process;
// A reader that has enough, such as `head`, closes the pipe.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
const program = makeProgram({ stdout, stderr, env, ended, onFinding: () => (process.exitCode = 1) });
// An option of the root is read after a command too, and some commands have a --version of their own.
if (commandOf(program, process.argv.slice(2)) === program)
  program.version(version(), '-V, --version', 'print the version');
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    // Without a command, commander prints the help.
    if (error.code !== 'commander.help') fail(error.message.replace(/^error: (command-argument )?/, ''), true);
    return 2;
  }
  if (error instanceof CommandError) {
    fail(error.message, error instanceof UsageError);
    return error.exitCode;
  }
  if (!(error instanceof ServiceDiscoveryError)) throw error;
  fail(error.message, false);
  return 1;
}

function fail(message: string, withUsage: boolean): void {
  const command = commandOf(program, process.argv.slice(2));
  const usage = `\nUsage: ${command.createHelp().commandUsage(command)}\n--help explains it, with examples.`;
  process.stderr.write(`${message}${withUsage ? usage : ''}\n`);
}

/** The command that the arguments name, as far as they do. */
function commandOf(parent: Command, args: readonly string[]): Command {
  for (const arg of args) {
    const child = parent.commands.find((command) => command.name() === arg);
    if (child) return commandOf(child, args.slice(args.indexOf(arg) + 1));
  }
  return parent;
}

function version(): string {
  const { version } = createRequire(import.meta.url)('nest-service-discovery/package.json') as { version: string };
  return version;
}

/** Aborts at the first signal to end; the next one ends the process at once. */
function ended(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}
