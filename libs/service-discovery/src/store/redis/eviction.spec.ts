import { describe, expect, it } from '@jest/globals';
import { findEviction } from './eviction.js';

const infoOf = (maxmemory: number, policy: string): string =>
  `# Memory\r\nused_memory:1024\r\nmaxmemory:${maxmemory}\r\nmaxmemory_human:0B\r\nmaxmemory_policy:${policy}\r\n`;

describe('what Redis deletes where its memory is full', () => {
  it.each(['allkeys-lru', 'allkeys-lfu', 'allkeys-random'])('are keys of the registry, too, by %s', (policy) => {
    expect(findEviction(infoOf(64_000_000, policy))).toContain(`maxmemory-policy of Redis is ${policy}`);
  });

  it.each(['noeviction', 'volatile-lru', 'volatile-ttl'])('are no keys of the registry by %s', (policy) => {
    expect(findEviction(infoOf(64_000_000, policy))).toBeUndefined();
  });

  it('is nothing where its memory has no limit', () => {
    expect(findEviction(infoOf(0, 'allkeys-lru'))).toBeUndefined();
  });
});
