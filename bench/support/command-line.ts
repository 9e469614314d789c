/**
 * Runs a command line program. A usage error is printed without a stack, with exit code 2.
 * @param read parses the arguments. @throws Error that names the option, its value, and what is allowed
 */
export async function runCommand<Request>(
  name: string,
  read: (args: string[]) => Request,
  run: (request: Request) => Promise<void>,
): Promise<void> {
  let request: Request;
  try {
    request = read(process.argv.slice(2));
  } catch (error) {
    console.error(`${name}: ${(error as Error).message}\nWhat can be said is in bench/README.md.`);
    process.exitCode = 2;
    return;
  }
  await run(request);
}

/** @throws RangeError unless it is an integer of 1 or more */
export function countOf(option: string, text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  throw new RangeError(`--${option}: expected a whole number of 1 or more, but got ${JSON.stringify(text)}`);
}

/**
 * The names in a list such as `a,b`; undefined if absent.
 * @throws RangeError listing the known names, if one is unknown
 */
export function namesOf(option: string, text: string | undefined, known: readonly string[]): string[] | undefined {
  const names = text?.split(',');
  const unknown = names?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length === 0) return names;
  throw new RangeError(`--${option}: ${unknown.join(', ')} is none of ${[...new Set(known)].join(', ')}`);
}
