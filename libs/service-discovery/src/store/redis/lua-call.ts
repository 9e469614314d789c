import { createHash } from 'node:crypto';
import { type Redis } from 'ioredis';

/** A script for Redis. */
interface LuaScript {
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

/** The answer to a call: the reply of the script, or an error. */
export type LuaAnswer<Reply> = { readonly reply: Reply } | { readonly error: Error };

interface SentCall<Reply> extends LuaCall<Reply> {
  /** Whether to load the script first. */
  readonly load?: boolean;
  /** Whether to send ASKING, for a slot that the server is importing. */
  readonly asking?: boolean;
}

/**
 * Calls scripts on one server in one round trip. Answers are in the order of the calls.
 * @throws Error if the connection fails
 */
export async function callAll<Reply>(redis: Redis, calls: readonly SentCall<Reply>[]): Promise<LuaAnswer<Reply>[]> {
  const pipeline = redis.pipeline();
  const scripts = new Set<LuaScript>(calls.flatMap(({ script, load }) => (load ? [script] : [])));
  for (const { source } of scripts) pipeline.script('LOAD', source);
  const positions = calls.map(({ script, keys, args, asking }) => {
    if (asking) pipeline.asking();
    pipeline.evalsha(script.sha, keys.length, ...keys, ...args);
    return pipeline.length - 1;
  });
  const results = (await pipeline.exec()) ?? [];
  const failed = results.slice(0, scripts.size).find(([error]) => error)?.[0];
  return positions.map((position, index): LuaAnswer<Reply> => {
    const [error, reply] = results[position]!;
    if (!error) return { reply: reply as Reply };
    if (error.name !== 'ReplyError') throw error;
    return { error: failed ?? plainError(error, calls[index]!.keys) };
  });
}

/** The place in the script, which Redis appends to error messages. */
const PLACE_IN_SCRIPT = /,? script: [0-9a-f]{40}, on @user_script:\d+\.$/;

/** Names the keys of a WRONGTYPE error and what to do about it, which Redis does not. */
function plainError(error: Error, keys: readonly string[]): Error {
  error.message = error.message.replace(PLACE_IN_SCRIPT, '');
  if (!error.message.startsWith('WRONGTYPE')) return error;
  const subject = keys.length === 1 ? keys[0]! : `one of ${keys.join(', ')}`;
  error.message = `WRONGTYPE: ${subject} holds something other than the registry's data; delete it, or use another namespace`;
  return error;
}
