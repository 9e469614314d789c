import { describe, expect, it } from '@jest/globals';
import { systemClock, systemRandom } from '../../common/index.js';
import { CommandConnection } from './command-connection.js';
import { resolveRedisRegistryStoreOptions } from './options.js';
import { ReconnectSpread } from './connection.js';

function makeConnection(): CommandConnection {
  const spread = new ReconnectSpread(systemClock, systemRandom, () => 0);
  return new CommandConnection(resolveRedisRegistryStoreOptions({ url: 'redis://127.0.0.1:1' }), systemRandom, spread, {
    onAttempt: () => undefined,
    onUp: () => undefined,
    onDown: () => undefined,
  });
}

describe('a command connection', () => {
  it('that has ended for good is opened again once, for all callers', async () => {
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

describe('a command whose connection closed', () => {
  const closed = new Error('Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest"');

  it('fails with the reason the connection was closed, or that it was lost', async () => {
    const connection = makeConnection();
    const client = await connection.open();
    expect(connection.unavailable(closed).message).toMatch(/cannot be reached: the connection was closed/);
    connection.noteAnswer();
    expect(connection.unavailable(closed).message).toMatch(/cannot be reached: the connection was lost/);
    connection.giveUp([client], new Error('it did not answer within 2 s'));
    expect(connection.unavailable(closed).message).toMatch(/cannot be reached: it did not answer within 2 s/);
    await connection.close();
  });

  it('is never taken for the cause of later failures', async () => {
    const connection = makeConnection();
    const client = await connection.open();
    client.emit('error', new Error('connect ECONNREFUSED 127.0.0.1:1'));
    client.emit('error', closed);
    expect(connection.failure?.message).toBe('connect ECONNREFUSED 127.0.0.1:1');
    await connection.close();
  });
});
