import type * as classValidator from 'class-validator';

type ClassValidator = typeof classValidator;

const declared: ((validator: ClassValidator) => void)[] = [];

/**
 * A constraint of class-validator, which is applied only by {@link loadClassValidator}: class-validator takes longer to
 * import than all of this library, and apps whose API gets no requests do without it.
 */
export function Constraint(options: classValidator.ValidateByOptions): PropertyDecorator {
  return (target, property) => {
    declared.push(({ ValidateBy }) => ValidateBy(options)(target, property));
  };
}

/** Returns class-validator, which then knows the constraints of all DTOs. */
export async function loadClassValidator(): Promise<ClassValidator> {
  const validator = await import('class-validator');
  for (const apply of declared.splice(0)) apply(validator);
  return validator;
}

/** A constraint made of a phrase that says what is allowed and a check; a field that is left out passes. */
export function Rule(
  expected: string | ((value: unknown) => string),
  check: (value: unknown) => boolean,
  { optional = true } = {},
): PropertyDecorator {
  return Constraint({
    name: 'rule',
    validator: {
      validate: (value) => (value === undefined ? optional : check(value)),
      defaultMessage: (args) => (typeof expected === 'string' ? expected : expected(args?.value)),
    },
  });
}

export const isWholeNumber = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

export const isText =
  (maxLength: number) =>
  (value: unknown): boolean =>
    typeof value === 'string' && value.length > 0 && value.length <= maxLength;

export const isLeaseKind = (value: unknown): boolean => value === 'heartbeat' || value === 'checks';

/** Why an operator acts. */
export const ReasonRule = (): PropertyDecorator => Rule('a text of 1 to 256 characters that says why', isText(256));
/** The name that an operator gives. */
export const ByRule = (): PropertyDecorator => Rule('a text of 1 to 128 characters that says who', isText(128));
