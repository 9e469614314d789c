import { describe, expect, it } from '@jest/globals';
import { parseServiceUrl } from './service-url.js';

const NONE: ReadonlySet<string> = new Set();

describe('parseServiceUrl', () => {
  it.each([
    ['http://user-service/users/1?x=2#top', { service: 'user-service', path: '/users/1?x=2' }],
    ['https://UserService', { service: 'UserService', path: '/', isSecure: true }],
    ['HTTPS://UserService', { service: 'UserService', path: '/', isSecure: true }],
    ['http://user-service?x=2', { service: 'user-service', path: '/?x=2' }],
    ['http://user-service:3000/users/1', { service: 'user-service', path: '/users/1', isAmbiguous: true }],
    ['http://user-service:3000', { service: 'user-service', path: '/', isAmbiguous: true }],
    ['http://user-service:/users', { service: 'user-service', path: '/users', isAmbiguous: true }],
    ['http://3scale/users', { service: '3scale', path: '/users' }],
  ])('reads %s as that of a service', (url, expected) => {
    expect(parseServiceUrl(url, NONE)).toEqual({ isSecure: false, isAmbiguous: false, ...expected });
  });

  it.each(['users.shop', 'localhost', '42', '10.0.0.7', '0x7f000001'])(
    'reads %s as that of a service if it is listed, with any port',
    (service) => {
      for (const url of [`http://${service}/users`, `http://${service}:3000/users`]) {
        expect(parseServiceUrl(url, NONE)).toBeUndefined();
        expect(parseServiceUrl(url, new Set(['other', service]))).toEqual({
          service,
          path: '/users',
          isSecure: false,
          isAmbiguous: false,
        });
      }
    },
  );

  it.each([
    'https://api.stripe.com/v1/charges',
    'https://api.stripe.com:443/v1/charges',
    'http://localhost/users',
    'http://LOCALHOST:3000/users',
    'http://10.0.0.7:3000/users',
    'http://2130706433/users',
    'http://0x7F000001/users',
    'http://0/users',
    'http://[::1]:3000/users',
    'http://ada:secret@user-service/users',
    'http://ada:123@user-service/users',
    'http://user-service:http/users',
    'ftp://user-service/users',
    '/users/1',
  ])('reads %s as no URL of a service', (url) => {
    expect(parseServiceUrl(url, NONE)).toBeUndefined();
  });
});
