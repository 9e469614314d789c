import { createHash } from 'node:crypto';

/** A script for Redis. */
export interface LuaScript {
  readonly name: string;
  readonly source: string;
  /** SHA-1 of the source, by which EVALSHA calls a loaded script. */
  readonly sha: string;
}

/** A script with its keys and arguments. */
export interface LuaCall<Reply> {
  readonly script: LuaScript;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
  /** Never set: carries the type of the reply. */
  readonly reply?: Reply;
}

/**
 * Creates the typed wrapper of a script.
 * @param keyNames in the order of the script's keys
 */
export function luaScript<Key extends string, Args extends (string | number)[], Reply>(
  name: string,
  keyNames: readonly Key[],
  source: string,
): (keys: Readonly<Record<Key, string>>, ...args: Args) => LuaCall<Reply> {
  const script: LuaScript = { name, source, sha: createHash('sha1').update(source).digest('hex') };
  return (keys, ...args) => ({ script, keys: keyNames.map((key) => keys[key]), args });
}
