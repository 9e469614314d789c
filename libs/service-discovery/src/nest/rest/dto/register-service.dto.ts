import { isPlainObject } from '../../../common/index.js';
import {
  type ServiceRegistration,
  type LeaseKind,
  type Protocol,
  recallHealthCheck,
  type Tier,
  WIRE_FORM,
} from '../../../model/index.js';
import { RegistrationField } from './registration-field.js';
import { isLeaseKind, isWholeNumber, Rule } from './rule.js';

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
