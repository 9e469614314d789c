/**
 * What the schematics use of `@angular-devkit/schematics`, which comes with the Nest CLI and need not be found from this
 * package.
 */
export interface Tree {
  read(path: string): Uint8Array | null;
  exists(path: string): boolean;
  create(path: string, content: string): void;
  overwrite(path: string, content: string): void;
  getDir(path: string): { readonly subfiles: readonly string[] };
}

export interface Context {
  readonly logger: { info(message: string): void; warn(message: string): void };
}

export type Rule = (tree: Tree, context: Context) => void;

/** With line ends of Unix, whichever the file has. */
export function readText(tree: Tree, path: string): string | undefined {
  const bytes = tree.read(path);
  return bytes === null ? undefined : new TextDecoder().decode(bytes).replaceAll('\r\n', '\n');
}

/** Writes with the line ends that the file has, and only if something changed. */
export function rewrite(tree: Tree, path: string, text: string): void {
  const before = new TextDecoder().decode(tree.read(path) ?? undefined);
  const after = before.includes('\r\n') ? text.replaceAll('\n', '\r\n') : text;
  if (after !== before) tree.overwrite(path, after);
}

/** @throws Error if the file is there and is not JSON */
export function readJson<T extends object>(tree: Tree, path: string): Partial<T> {
  try {
    return JSON.parse(readText(tree, path) ?? '{}') as Partial<T>;
  } catch (error) {
    throw new Error(`${path} is not JSON`, { cause: error });
  }
}
