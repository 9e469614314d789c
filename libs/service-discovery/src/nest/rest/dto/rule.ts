import { ValidateBy } from 'class-validator';

/** A class-validator constraint made of a phrase that says what is allowed and a check; a field that is left out passes. */
export function Rule(
  expected: string,
  check: (value: unknown) => boolean,
  { optional = true } = {},
): PropertyDecorator {
  return ValidateBy({
    name: 'rule',
    validator: {
      validate: (value) => (value === undefined ? optional : check(value)),
      defaultMessage: () => expected,
    },
  });
}

export const isWholeNumber = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

export const isText =
  (maxLength: number) =>
  (value: unknown): boolean =>
    typeof value === 'string' && value.length > 0 && value.length <= maxLength;

export const isLeaseKind = (value: unknown): boolean => value === 'heartbeat' || value === 'checks';
