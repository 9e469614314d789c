const NOT_FOUND = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'];

/** The name of the package that an import failed to find; undefined for any other error. */
export function missingPackage(error: unknown): string | undefined {
  if (!(error instanceof Error) || !NOT_FOUND.includes(String((error as NodeJS.ErrnoException).code))) return undefined;
  return /Cannot find (?:package|module) '((?:@[^/']+\/)?[^/'@.][^/']*)/.exec(error.message)?.[1];
}
