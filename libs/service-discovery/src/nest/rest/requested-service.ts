import { Inject, Injectable } from '@nestjs/common';
import { ServiceNotFoundError } from '../../common/index.js';
import { NearNames } from '../../communicator/index.js';
import { ServiceRegistry } from '../../registry/index.js';
import { accessOf } from './access/index.js';

/** The service that a request names. */
@Injectable()
export class RequestedService {
  constructor(
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
    @Inject(NearNames) private readonly nearNames: NearNames,
  ) {}

  /**
   * Reads only services that are already followed: a lookup must not make this process follow another one.
   * @throws ServiceNotFoundError
   */
  mustExist(name: string, request: object): void {
    if (this.registry.servedInstances(name).length === 0) throw this.notFound(name, request);
  }

  notFound(name: string, request: object): ServiceNotFoundError {
    // Names of services that the caller may not read stay hidden.
    const suggestion = accessOf(request).readsEverything ? this.nearNames.suggest(name) : undefined;
    return new ServiceNotFoundError(name, {}, suggestion);
  }
}
