import { describe, expect, it } from '@jest/globals';
import { parseServiceUrl } from './service-url.js';

describe('parseServiceUrl', () => {
  it.each([
    ['http://user-service/users/1?x=2#top', { service: 'user-service', path: '/users/1?x=2', isAmbiguous: false }],
    ['https://UserService', { service: 'UserService', path: '/', isAmbiguous: false }],
    ['http://user-service?x=2', { service: 'user-service', path: '/?x=2', isAmbiguous: false }],
    ['http://user-service:3000/users/1', { service: 'user-service', path: '/users/1', isAmbiguous: true }],
    ['http://user-service:3000', { service: 'user-service', path: '/', isAmbiguous: true }],
    ['http://user-service:/users', { service: 'user-service', path: '/users', isAmbiguous: true }],
    ['http://users.shop:3000/users', { service: 'users.shop', path: '/users', isAmbiguous: true }],
    ['http://users.shop/users', { service: 'users.shop', path: '/users', isAmbiguous: true }],
    ['http://localhost/users', { service: 'localhost', path: '/users', isAmbiguous: true }],
  ])('reads %s as that of a service', (url, expected) => {
    expect(parseServiceUrl(url)).toEqual(expected);
  });

  it.each([
    'http://localhost:3000/users',
    'http://10.0.0.7:3000/users',
    'http://[::1]:3000/users',
    'http://ada:secret@user-service/users',
    'http://ada:123@user-service/users',
    'http://user-service:http/users',
    'ftp://user-service/users',
    '/users/1',
  ])('reads %s as no URL of a service', (url) => {
    expect(parseServiceUrl(url)).toBeUndefined();
  });
});
