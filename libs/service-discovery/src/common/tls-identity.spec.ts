import { describe, expect, it } from '@jest/globals';
import { type PeerCertificate } from 'node:tls';
import { identityCheck, isIdentity } from './tls-identity.js';

function refusal(identity: string | readonly string[], subjectaltname: string | undefined, service = 'orders') {
  const certificate = { subject: { CN: 'orders.internal' }, subjectaltname } as PeerCertificate;
  return identityCheck([identity].flat(), service)('10.0.0.1', certificate);
}

describe('an identity', () => {
  it.each([
    ['spiffe://corp.example/sa/orders', true],
    ['spiffe://corp.example/ns/*/sa/{service}', true],
    ['spiffe://corp.example/ns/prod-*/{service}-sa', true],
    ['orders.internal', true],
    ['{service}.prod.internal', true],
    ['{service}', true],
    ['spiffe://corp.example', false],
    ['spiffe://Corp.example/sa/orders', false],
    ['spiffe://corp.example/sa/', false],
    ['spiffe://corp.example/sa/(.*)', false],
    ['spiffe://corp.example:8443/sa/orders', false],
    ['*.internal', false],
    ['orders..internal', false],
    ['{name}.internal', false],
    ['', false],
    [7, false],
  ])('%j is one: %j', (given, expected) => {
    expect(isIdentity(given)).toBe(expected);
  });

  it.each([
    ['spiffe://corp.example/ns/*/sa/{service}', 'URI:spiffe://corp.example/ns/prod/sa/orders'],
    [
      'spiffe://corp.example/ns/*/sa/{service}',
      'DNS:a, URI:spiffe://corp.example/ns/prod/sa/orders, IP Address:10.0.0.9',
    ],
    [['spiffe://a/x', 'spiffe://corp.example/x'], 'URI:spiffe://corp.example/x'],
    ['{service}.internal', 'DNS:orders.internal'],
    ['{service}.prod.internal', 'DNS:*.prod.internal'],
  ])('%j is that of a certificate for %s', (identity, names) => {
    expect(refusal(identity, names)).toBeUndefined();
  });

  it.each([
    ['of another service', 'spiffe://corp.example/sa/{service}', 'URI:spiffe://corp.example/sa/payments'],
    [
      'of a service whose name begins alike',
      'spiffe://corp.example/sa/{service}',
      'URI:spiffe://corp.example/sa/orders2',
    ],
    ['with a wildcard in more than one segment', 'spiffe://corp.example/*/x', 'URI:spiffe://corp.example/a/b/x'],
    ['in which a dot of the pattern is another letter', 'spiffe://corp.example/x', 'URI:spiffe://corp-example/x'],
    ['with two URIs', 'spiffe://a/x', 'URI:spiffe://a/x, URI:spiffe://a/y'],
    ['with the identity inside of another name', 'spiffe://a/x', 'DNS:"y, URI:spiffe://a/x, DNS:z"'],
    ['with the identity after an escaped quote', 'spiffe://a/x', 'DNS:"y\\", URI:spiffe://a/x, DNS:z"'],
    ['with the identity as a DNS name', 'spiffe://a/x', 'DNS:spiffe://a/x'],
    ['with the name in its subject alone', 'orders.internal', undefined],
    ['with the name in its subject, and a URI', 'orders.internal', 'URI:spiffe://a/x'],
    ['for another name', 'orders.internal', 'DNS:payments.internal'],
  ])('is not that of a certificate %s', (_what, identity, names) => {
    expect(refusal(identity, names)).toMatchObject({ code: 'ERR_TLS_CERT_IDENTITY' });
  });

  it('is named in the error, beside that of the certificate', () => {
    expect(refusal('spiffe://a/{service}', 'URI:spiffe://a/payments')?.message).toBe(
      'the certificate is of "URI:spiffe://a/payments", and not of spiffe://a/orders (tls.identity)',
    );
  });
});
