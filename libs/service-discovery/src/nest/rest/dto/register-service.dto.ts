import { isPlainObject, type Problem } from '../../../common/index.js';
import {
  findRegistrationProblems,
  type LeaseKind,
  type Protocol,
  recallHealthCheck,
  type ServiceRegistration,
  type Tier,
  WIRE_FORM,
} from '../../../model/index.js';
import { Constraint, isLeaseKind, isWholeNumber, Rule } from './rule.js';

/** How a field looks over HTTP where it differs from the library's own. */
interface WireForm {
  /** The library's value of what was sent. */
  read(value: unknown): unknown;
  /** What is allowed, in terms of what is sent. */
  readonly expected: string;
}

/**
 * The constraint of a field of a registration. The rules are those of the library itself
 * ({@link findRegistrationProblems}), so that what REST accepts and what the registry accepts can't differ.
 */
function RegistrationField(field: keyof ServiceRegistration, wire?: WireForm): PropertyDecorator {
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

/** Seconds on the wire, milliseconds inside; text would be read as a duration string, so it becomes NaN. */
const SECONDS = {
  read: (value: unknown) => (typeof value === 'number' ? value * 1_000 : Number.NaN),
  expected: 'a number of seconds from 1 to 86400',
};

/** The body of `POST /register`; what each field means stands at {@link ServiceRegistration}. */
export class RegisterServiceDto {
  @RegistrationField('serviceName')
  service_name!: string;

  @RegistrationField('host')
  host!: string;

  @RegistrationField('port')
  port!: number;

  @RegistrationField('protocol')
  protocol?: Protocol;

  @RegistrationField('path')
  path?: string;

  @RegistrationField('healthCheckPath')
  health_check_path?: string | null;

  /** As {@link HealthCheckSpec} with names in snake_case and durations in seconds; `RegistrationPipe` checks what is in it. */
  @RegistrationField('healthCheck', {
    read: (value) => (isPlainObject(value) ? {} : value),
    expected: 'an object that says how the service is checked',
  })
  health_check?: Record<string, unknown>;

  @RegistrationField('metadata')
  metadata?: Record<string, unknown>;

  @RegistrationField('tags')
  tags?: string[];

  @RegistrationField('version')
  version?: string;

  @RegistrationField('weight')
  weight?: number;

  @RegistrationField('zone')
  zone?: string;

  @RegistrationField('tier')
  tier?: Tier;

  @RegistrationField('dependencies')
  dependencies?: string[];

  @RegistrationField('instanceId')
  instance_id?: string;

  /** Seconds. */
  @RegistrationField('ttl', SECONDS)
  ttl?: number;

  /** What renews the registration. Left out: heartbeats where there is a `ttl`, else the health checks that it passes. */
  @Rule('"checks" or "heartbeat"', isLeaseKind)
  lease?: LeaseKind;

  /** Of a registration that comes back after its lease was lost: the generation that it had at first. */
  @Rule('a generation: a whole number', isWholeNumber)
  claim?: number;
}

/** The registration that a valid body stands for. */
export function toRegistration(dto: RegisterServiceDto): ServiceRegistration {
  return {
    serviceName: dto.service_name,
    host: dto.host,
    port: dto.port,
    protocol: dto.protocol,
    path: dto.path,
    healthCheckPath: dto.health_check_path,
    healthCheck: dto.health_check && recallHealthCheck(dto.health_check, WIRE_FORM),
    metadata: dto.metadata,
    tags: dto.tags,
    version: dto.version,
    weight: dto.weight,
    zone: dto.zone,
    tier: dto.tier,
    dependencies: dto.dependencies,
    instanceId: dto.instance_id,
    ttl: dto.ttl === undefined ? undefined : dto.ttl * 1_000,
  };
}
