import { type Redis } from 'ioredis';
import { type LuaCall, type LuaScript } from './lua-script.js';

/** What a call gave: its reply, or what Redis has against it. */
export type LuaAnswer<Reply> = { readonly reply: Reply } | { readonly error: Error };

interface SentCall<Reply> extends LuaCall<Reply> {
  /** Whether the server has to be given the script first. */
  readonly load?: boolean;
  /** Whether the server is to answer for a slot that it is about to take over. */
  readonly asking?: boolean;
}

/**
 * Calls scripts on one server, all in one round trip. Answers stand at the call's index.
 * @throws Error where the connection breaks
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

/** Where in a script it happened, as Redis adds it to what it says. */
const PLACE_IN_SCRIPT = /,? script: [0-9a-f]{40}, on @user_script:\d+\.$/;

/** What Redis has against a key of another type says neither which one nor what to do. */
function plainError(error: Error, keys: readonly string[]): Error {
  error.message = error.message.replace(PLACE_IN_SCRIPT, '');
  if (!error.message.startsWith('WRONGTYPE')) return error;
  const subject = keys.length === 1 ? keys[0]! : `one of ${keys.join(', ')}`;
  error.message = `WRONGTYPE: ${subject} holds something else than the registry keeps there; delete it, or use another namespace`;
  return error;
}
