import { describe, expect, it } from '@jest/globals';
import { findEviction } from './trouble.js';

const infoOf = (maxmemory: number, policy: string): string =>
  `# Memory\r\nused_memory:1024\r\nmaxmemory:${maxmemory}\r\nmaxmemory_human:0B\r\nmaxmemory_policy:${policy}\r\n`;

describe('findEviction', () => {
  it.each(['allkeys-lru', 'allkeys-lfu', 'allkeys-random'])(
    'warns of %s, which evicts keys of the registry',
    (policy) => {
      expect(findEviction(infoOf(64_000_000, policy))).toContain(`maxmemory-policy of Redis is ${policy}`);
    },
  );

  it.each(['noeviction', 'volatile-lru', 'volatile-ttl'])('accepts %s, which spares keys of the registry', (policy) => {
    expect(findEviction(infoOf(64_000_000, policy))).toBeUndefined();
  });

  it('accepts any policy without a memory limit', () => {
    expect(findEviction(infoOf(0, 'allkeys-lru'))).toBeUndefined();
  });
});
