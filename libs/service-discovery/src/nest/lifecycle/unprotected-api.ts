import { InvalidConfigurationError } from '../../common/index.js';
import { isLoopbackHost } from '../../model/index.js';
import { type ResolvedServiceDiscoveryOptions } from '../options/index.js';
import { letsOthersIn } from '../registry-place.js';
import { type ListeningServer } from './server-address.js';

/** The part of Nest's HTTP adapter that opens the port. */
export interface ListeningAdapter {
  /** Its last argument is a callback, which Nest takes an `Error` from as the failure of `app.listen()`. */
  listen(...args: readonly unknown[]): unknown;
  getHttpServer(): unknown;
}

type Listened = (...results: readonly unknown[]) => unknown;

/**
 * With the preset `production`, has `app.listen()` reject where other machines reach the API and no credential lets them in: such a
 * registry is of no use to them, and a proxy on this machine may open it to everyone. Only the bound address tells who reaches it; the
 * server is closed before it accepts a connection.
 */
export function refuseUnprotectedApi(
  adapter: ListeningAdapter,
  { preset, api }: Pick<ResolvedServiceDiscoveryOptions, 'preset' | 'api'>,
): void {
  if (preset !== 'production' || api === false || letsOthersIn({ api }) !== undefined) return;
  const listen = adapter.listen.bind(adapter);
  adapter.listen = (...args) => {
    const listened = args.at(-1) as Listened;
    return listen(...args.slice(0, -1), (...results: readonly unknown[]) => {
      const server = adapter.getHttpServer() as ListeningServer & { close(): void };
      const error = results[0] instanceof Error ? undefined : findUnprotected(server);
      if (!error) return listened(...results);
      server.close();
      return listened(error);
    });
  };
}

function findUnprotected(server: ListeningServer): InvalidConfigurationError | undefined {
  const bound = server.address();
  if (typeof bound !== 'object' || bound === null || isLoopbackHost(bound.address)) return undefined;
  const expected =
    `SERVICE_DISCOVERY_TOKEN, api.access or api.guard, for an API that other machines reach at ${bound.address}, port ${bound.port} (preset production); ` +
    'else leave the API out with api: false, or listen on 127.0.0.1';
  return new InvalidConfigurationError([{ path: 'api.token', value: undefined, expected }]);
}
