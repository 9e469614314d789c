import { describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError } from '../../common/index.js';
import { UNDICI_TRANSPORT_OPTIONS } from './options.js';

describe('UNDICI_TRANSPORT_OPTIONS', () => {
  it('fills in the defaults', () => {
    expect(UNDICI_TRANSPORT_OPTIONS.resolve({ connections: undefined })).toEqual({
      connections: 256,
      warmConnections: 1,
      connectTimeout: 5_000,
      keepAliveTimeout: 4_000,
      bodyTimeout: 300_000,
      closeTimeout: 10_000,
      maxResponseSize: 16_777_216,
      tls: { all: {}, services: new Map() },
    });
  });

  it('names all problems at once', () => {
    const wrong = {
      connections: 0,
      warmConnections: 17,
      connectTimeout: 0,
      keepAliveTimeout: 'soon' as never,
      bodyTimeout: -1,
      closeTimeout: '2d',
    } as const;
    let error: unknown;
    try {
      UNDICI_TRANSPORT_OPTIONS.resolve(wrong);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    expect((error as InvalidConfigurationError).problems.map(({ path }) => path)).toEqual([
      'transport.connections',
      'transport.warmConnections',
      'transport.connectTimeout',
      'transport.keepAliveTimeout',
      'transport.bodyTimeout',
      'transport.closeTimeout',
    ]);
  });
});
