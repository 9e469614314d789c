import { describe, expect, it } from '@jest/globals';
import { systemClock, systemRandom } from '../../common/index.js';
import { CommandConnection } from './command-connection.js';
import { resolveRedisRegistryStoreOptions } from './options.js';
import { ReconnectSpread } from './reconnect-spread.js';

function makeConnection(): CommandConnection {
  const spread = new ReconnectSpread(systemClock, systemRandom, () => 0);
  return new CommandConnection(resolveRedisRegistryStoreOptions({ url: 'redis://127.0.0.1:1' }), systemRandom, spread, {
    onAttempt: () => undefined,
    onUp: () => undefined,
    onDown: () => undefined,
  });
}

describe('a connection that has ended for good', () => {
  it('is made anew once, however many find it so', async () => {
    const connection = makeConnection();
    const ended = await connection.open();
    // Resolves in the status "end": it was never connected.
    const end = new Promise((resolve) => ended.once('end', resolve));
    ended.disconnect();
    await end;
    const [one, two, three] = await Promise.all([connection.open(), connection.open(), connection.open()]);
    expect(one).not.toBe(ended);
    expect(two).toBe(one);
    expect(three).toBe(one);
    await connection.close();
    expect(one.status).toBe('end');
  });
});
