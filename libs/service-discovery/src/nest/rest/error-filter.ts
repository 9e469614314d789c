import { type ArgumentsHost, Catch, type ExceptionFilter, Inject, Injectable, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { INTERNAL_ERROR_BODY, toErrorBody } from './rest-error.js';

/** Gives every error of these controllers the one shape, whatever filters the app has. */
@Catch()
@Injectable()
export class RestErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('ServiceDiscovery');

  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const body = toErrorBody(error) ?? INTERNAL_ERROR_BODY;
    if (body === INTERNAL_ERROR_BODY) this.logger.error(error);
    const { httpAdapter } = this.host;
    const response: unknown = host.switchToHttp().getResponse();
    if (httpAdapter.isHeadersSent(response)) return;
    const { retry_after_ms: retryAfterMs } = body.error;
    if (retryAfterMs !== undefined)
      httpAdapter.setHeader(response, 'retry-after', String(Math.ceil(retryAfterMs / 1_000)));
    httpAdapter.reply(response, body, body.status_code);
  }
}
