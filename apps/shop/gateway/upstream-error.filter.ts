import { type ArgumentsHost, Catch, HttpException, HttpStatus } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { ResponseStatusError, ServiceDiscoveryError } from 'nest-service-discovery';

/** Tells the gateway's callers what became of a call behind it: a 4xx is theirs to mend, all else is ours. */
@Catch(ServiceDiscoveryError)
export class UpstreamErrorFilter extends BaseExceptionFilter {
  override catch(error: ServiceDiscoveryError, host: ArgumentsHost): void {
    super.catch(toHttp(error), host);
  }
}

function toHttp(error: ServiceDiscoveryError): HttpException {
  if (error instanceof ResponseStatusError && error.status < 500)
    return new HttpException(error.body as object, error.status);
  const status = error.code === 'DEADLINE_EXCEEDED' ? HttpStatus.GATEWAY_TIMEOUT : HttpStatus.SERVICE_UNAVAILABLE;
  return new HttpException({ statusCode: status, code: error.code, message: error.message }, status, { cause: error });
}
