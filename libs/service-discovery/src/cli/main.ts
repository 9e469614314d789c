#!/usr/bin/env node
import { HELP, readArguments, type RegistryFlags, USAGE } from './arguments.js';
import { CommandError, UsageError } from './command-error.js';
import { missingPackage } from './missing-package.js';

try {
  const flags = readArguments(process.argv.slice(2));
  if (flags === undefined) process.stdout.write(HELP);
  else await (await loadRegistry())(flags);
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  process.stderr.write(`${error.message}\n${error instanceof UsageError ? `${USAGE}\n` : ''}`);
  process.exitCode = error.exitCode;
}

/** Nest is a peer dependency, so it may be missing. */
async function loadRegistry(): Promise<(flags: RegistryFlags) => Promise<void>> {
  try {
    return (await import('./registry.js')).runRegistry;
  } catch (error) {
    const name = missingPackage(error);
    if (name === undefined) throw error;
    throw new CommandError(`The registry needs ${name}, which is not installed: npm install ${name}`);
  }
}
