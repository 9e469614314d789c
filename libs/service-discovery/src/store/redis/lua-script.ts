import { createHash } from 'node:crypto';

/** A script as Redis knows it. */
export interface LuaScript {
  readonly name: string;
  readonly source: string;
  /** SHA-1 of the source: what Redis calls a script by that it has seen before. */
  readonly sha: string;
}

/** A script with what it is called with. */
export interface LuaCall<Reply> {
  readonly script: LuaScript;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
  /** Never there: it makes the type of the reply known. */
  readonly reply?: Reply;
}

/**
 * Makes the typed wrapper of a script.
 * @param keyNames in the order in which the script takes its keys
 */
export function luaScript<Key extends string, Args extends (string | number)[], Reply>(
  name: string,
  keyNames: readonly Key[],
  source: string,
): (keys: Readonly<Record<Key, string>>, ...args: Args) => LuaCall<Reply> {
  const script: LuaScript = { name, source, sha: createHash('sha1').update(source).digest('hex') };
  return (keys, ...args) => ({ script, keys: keyNames.map((key) => keys[key]), args });
}
