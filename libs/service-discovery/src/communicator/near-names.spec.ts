import { expect, it } from '@jest/globals';
import { ManualClock } from '../testing/manual-clock.js';
import { NearNames } from './near-names.js';

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `service-${index + 1}`);

it.each([
  ['a look at the name where nothing is registered', [], 'mail', '. Check the name, or start the service'],
  ['the near one', ['user', 'mails'], 'mail', ' (did you mean "mails"?)'],
  ['the one of a URL', ['users', 'mails'], 'http://users:3000/1', ' (did you mean "users"?)'],
  [
    'all where they are few and none is near',
    ['user', 'order'],
    'mail',
    ': known are user, order. Check the name, or start the service',
  ],
  [
    'a look at the name where they are many and none is near',
    numbered(11),
    'mail',
    '. Check the name, or start the service',
  ],
])('suggests %s', (_what, names, name, text) => {
  expect(new NearNames(() => names, new ManualClock()).suggest(name)).toBe(text);
});

it.each([
  ['nothing is registered', [], '. A hint'],
  ['no name is near', ['user', 'order'], ': known are user, order. A hint'],
  ['a name is near', ['user', 'mails'], ' (did you mean "mails"?)'],
])('hints at another cause only where no name is near: %s', (_when, names, text) => {
  expect(
    new NearNames(
      () => names,
      new ManualClock(),
      () => 'A hint',
    ).suggest('mail'),
  ).toBe(text);
});
