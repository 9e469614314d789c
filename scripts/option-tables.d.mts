/** By group name, then by option name. */
type Docstrings = ReadonlyMap<string, ReadonlyMap<string, { readonly text: string; readonly default: string }>>;

export function readDocstrings(directory: string): Promise<Docstrings>;
export function withOptionRows(
  page: string,
  groups: object,
  docstrings: Docstrings,
  variableFor: (path: string) => string | undefined,
): string;
