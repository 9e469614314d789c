import { describe, expect, it } from '@jest/globals';
import { SELF_PRESERVATION_OPTIONS, resolveSelfPreservationOptions } from './self-preservation.js';

describe('resolveSelfPreservationOptions', () => {
  it('fills in the defaults', () => {
    expect(resolveSelfPreservationOptions()).toEqual(SELF_PRESERVATION_OPTIONS.defaults);
    expect(resolveSelfPreservationOptions({ share: 0.3 })).toEqual({ share: 0.3, minInstances: 3 });
  });

  it('turns false into a share that is never exceeded', () => {
    expect(resolveSelfPreservationOptions(false).share).toBe(1);
  });

  it('names every wrong option', () => {
    expect(() => resolveSelfPreservationOptions({ share: 15, minInstances: 0 })).toThrow(
      /selfPreservation\.share[^]*from 0 to 1[^]*selfPreservation\.minInstances[^]*from 1 to 100000/,
    );
    expect(() => resolveSelfPreservationOptions(true as never)).toThrow(/selfPreservation/);
  });
});
