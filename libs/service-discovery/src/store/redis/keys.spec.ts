import { describe, expect, it } from '@jest/globals';
import { slotOf } from './keys.js';

describe('slotOf', () => {
  // As returned by CLUSTER KEYSLOT.
  it.each([
    ['123456789', 12_739],
    ['foo', 12_182],
    ['{foo}bar', 12_182],
    ['foo{}{bar}', 8_363],
    ['foo{{bar}}zap', 4_015],
    ['sd:{default:users}:meta', 12_096],
    ['sd:{default:größe}:meta', 3_821],
  ])('maps %j to %d', (key, slot) => {
    expect(slotOf(key)).toBe(slot);
  });
});
