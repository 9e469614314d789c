import { type Problem } from '../../../common/index.js';
import { findRegistrationProblems, type ServiceRegistration } from '../../../model/index.js';
import { Constraint } from './rule.js';

/** How a field looks over HTTP where it differs from the library's own. */
export interface WireForm {
  /** The library's value of what was sent. */
  read(value: unknown): unknown;
  /** What is allowed, in terms of what is sent. */
  readonly expected: string;
}

/**
 * The constraint of a field of a registration. The rules are those of the library itself
 * ({@link findRegistrationProblems}), so that what REST accepts and what the registry accepts can't differ.
 */
export function RegistrationField(field: keyof ServiceRegistration, wire?: WireForm): PropertyDecorator {
  const find = (value: unknown): Problem | undefined => {
    const read = wire && value !== undefined ? wire.read(value) : value;
    const problems = findRegistrationProblems({ [field]: read } as unknown as ServiceRegistration);
    const own = problems.find(({ path }) => path === field || path.startsWith(`${field}[`));
    // Over HTTP the problem stands at the field, so that an element's place is told with what it has to be.
    return own && own.path !== field ? { ...own, expected: `${own.expected} as ${own.path}` } : own;
  };
  return Constraint({
    name: 'registrationField',
    validator: {
      validate: (value) => find(value) === undefined,
      defaultMessage: (args) => wire?.expected ?? find(args?.value)?.expected ?? 'another value',
    },
  });
}
