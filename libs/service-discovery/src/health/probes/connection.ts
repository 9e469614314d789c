import { lookup as dnsLookup } from 'node:dns';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  assertAddressAllowed,
  findForbiddenHost,
  HostNotAllowedError,
  type ServiceInstance,
} from '../../model/index.js';

export interface ConnectionDeps {
  /** @default the system's resolver */
  lookup?: LookupFunction;
}

/**
 * Opens a connection to an instance for one probe. Hosts that no service may stand at are refused: a name is resolved,
 * each address checked, and the connection made to the very address that was checked, so that a name cannot answer
 * differently the second time.
 * @param secure whether to speak TLS
 * @throws HostNotAllowedError; the socket's error; the signal's reason when it aborts. No socket is left then.
 */
export async function openConnection(
  { host, port }: ServiceInstance,
  secure: boolean,
  signal: AbortSignal,
  deps: ConnectionDeps = {},
): Promise<Socket> {
  signal.throwIfAborted();
  const forbidden = findForbiddenHost(host);
  if (forbidden) throw new HostNotAllowedError(host, forbidden);
  const target = { host, port, lookup: guarded(deps.lookup ?? dnsLookup) };
  const socket = secure
    ? connectTls({ ...target, servername: isIP(host) ? undefined : host, ALPNProtocols: ['http/1.1'] })
    : connectTcp(target);
  // A reset can come at any time, also before and after somebody else listens.
  socket.on('error', () => undefined);
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      finish();
    };
    const fail = (error: Error): void =>
      settle(() => {
        socket.destroy();
        reject(error);
      });
    const onAbort = (): void => fail(signal.reason as Error);
    const onError = (error: Error): void => fail(error);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once(secure ? 'secureConnect' : 'connect', () => settle(() => resolve(socket)));
  });
}

/** A look-up that fails when any of the addresses is one that must not be connected to. */
function guarded(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, options, (error, address, family) => {
      let refusal: HostNotAllowedError | undefined;
      if (!error) {
        for (const found of typeof address === 'string' ? [address] : address.map((entry) => entry.address)) {
          try {
            assertAddressAllowed(found);
          } catch (thrown) {
            refusal ??= thrown as HostNotAllowedError;
          }
        }
      }
      callback(error ?? refusal ?? null, address, family);
    });
  };
}
