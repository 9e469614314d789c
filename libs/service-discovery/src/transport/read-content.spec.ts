import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../test/support/model-runs.js';
import { ReadContent } from './read-content.js';

const source = { service: 'users', instanceId: 'a', status: 200 };

describe('ReadContent', () => {
  it('decodes any bytes like a TextDecoder', () => {
    const pieces = fc.constantFrom('a', 'ü', '😀', '\ufeff').map((text) => Buffer.from(text));
    const broken = fc.uint8Array({ minLength: 1, maxLength: 4 });
    const property = fc.property(fc.array(fc.oneof(pieces, broken), { maxLength: 8 }), (parts) => {
      const bytes = Buffer.concat(parts);
      const expected = new TextDecoder().decode(bytes);
      expect(new ReadContent(bytes).text).toBe(expected);
      expect(new ReadContent(new Uint8Array(bytes)).text).toBe(expected);
    });
    fc.assert(property, modelRuns('decoding', 10_000));
  });

  it('decodes a view of a larger buffer', () => {
    expect(new ReadContent(new Uint8Array(Buffer.from('-abc-')).subarray(1, 4)).text).toBe('abc');
  });

  it('parses separate JSON for each caller', () => {
    const content = new ReadContent(Buffer.from('\ufeff{"a":1}'));
    content.json<{ a: number }>().a = 2;
    expect(content.json()).toEqual({ a: 1 });
  });

  it('names the source of content that is not JSON', () => {
    const content = new ReadContent(Buffer.from('<html>'), source);
    expect(() => content.json()).toThrow(
      /^users\/a answered with status 200 and a body that is not JSON: "<html>"\. Ask it for JSON, or read the body as text\. See \S+#RESPONSE_BODY$/,
    );
  });
});
