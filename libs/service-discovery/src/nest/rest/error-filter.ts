import { type ArgumentsHost, Catch, type ExceptionFilter, Inject, Injectable, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ServiceRegistry } from '../../registry/index.js';
import { AccessError, wasAsked } from './access/index.js';
import {
  ageHeader,
  type ErrorBody,
  INTERNAL_ERROR_BODY,
  type RestErrorCode,
  toErrorBody,
  toRefusalBody,
} from './rest-error.js';

/** What is said of the services by what was known last. */
const KNOWN_LAST: ReadonlySet<RestErrorCode> = new Set([
  'SERVICE_NOT_FOUND',
  'INSTANCE_NOT_FOUND',
  'LEASE_LOST',
  'NO_AVAILABLE_INSTANCE',
]);

/** Gives every error of these controllers the one shape, whatever filters the app has. */
@Catch()
@Injectable()
export class RestErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('ServiceDiscovery');

  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const body = this.bodyOf(error, host);
    if (body === INTERNAL_ERROR_BODY) this.logger.error(error);
    const { httpAdapter } = this.host;
    const response: unknown = host.switchToHttp().getResponse();
    if (httpAdapter.isHeadersSent(response)) return;
    const { code, retry_after_ms: retryAfterMs } = body.error;
    const headers: Record<string, string> = KNOWN_LAST.has(code) ? { ...ageHeader(this.registry) } : {};
    if (retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(retryAfterMs / 1_000));
    const challenge = error instanceof AccessError ? error.details.challenge : undefined;
    if (challenge !== undefined) headers['www-authenticate'] = `Bearer realm="service-discovery"${challenge}`;
    for (const [name, value] of Object.entries(headers)) httpAdapter.setHeader(response, name, value);
    httpAdapter.reply(response, body, body.status_code);
  }

  private bodyOf(error: unknown, host: ArgumentsHost): ErrorBody {
    const body = toErrorBody(error) ?? INTERNAL_ERROR_BODY;
    const isRefusal = body.error.code === 'UNAUTHORIZED' || body.error.code === 'FORBIDDEN';
    return isRefusal && !wasAsked(host.switchToHttp().getRequest<object>()) ? toRefusalBody(body) : body;
  }
}
