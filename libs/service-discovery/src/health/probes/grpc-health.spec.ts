import { describe, expect, it } from '@jest/globals';
import { decodeResponse, encodeRequest } from './grpc-health.js';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe('the request of gRPC health', () => {
  it.each([
    ['', '00 00000000'],
    ['a.B', '00 00000005 0a 03 612e42'],
    ['x'.repeat(200), `00 000000cb 0a c801 ${'78'.repeat(200)}`],
  ])('for %j is framed', (service, hex) => {
    expect(encodeRequest(service)).toEqual(bytes(hex));
  });
});

describe('the response of gRPC health', () => {
  it.each([
    ['00 00000000', 'UNKNOWN'],
    ['00 00000002 0801', 'SERVING'],
    ['00 00000002 0802', 'NOT_SERVING'],
    ['00 00000002 0803', 'SERVICE_UNKNOWN'],
    ['00 00000003 088100', 'SERVING'],
    ['00 00000004 0802 0801', 'SERVING'],
    ['00 0000000e 0801 10ff01 1a02aabb 2500000000', 'SERVING'],
    ['00 0000000b 09ffffffffffffffff 0801', 'SERVING'],
  ])('of %s is %s', (hex, status) => {
    expect(decodeResponse(bytes(hex))).toBe(status);
  });

  it.each([
    ['no frame', ''],
    ['half a frame', '00 0000'],
    ['a compressed one', '01 00000002 0801'],
    ['one that is longer than it says', '00 00000002 0801 00'],
    ['one that is shorter than it says', '00 00000003 0801'],
    ['a status that is none', '00 00000002 0807'],
    ['a number that goes on', '00 00000002 0881'],
    ['a number of more than 64 bits', `00 0000000d 08${'ff'.repeat(11)}01`],
    ['a text that goes on beyond the end', '00 00000004 0801 12ff'],
    ['a field of no kind', '00 00000003 0801 07'],
    ['HTML', '3c68746d6c3e'],
  ])('is not %s', (_name, hex) => {
    expect(decodeResponse(bytes(hex))).toBeUndefined();
  });
});
