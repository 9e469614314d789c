import { lookup as dnsLookup } from 'node:dns';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { type TlsSettings } from '../../common/index.js';
import { assertAddressAllowed, findForbiddenHost, HostNotAllowedError } from '../../model/index.js';

/** What the protocol above TLS contributes to a connection. */
export interface SecureConnection extends TlsSettings {
  readonly alpnProtocols: string[];
}

export interface ConnectionDeps {
  /** @default the system's resolver */
  lookup?: LookupFunction;
}

/**
 * Opens a connection to an instance for one probe. Forbidden hosts are refused: a name is resolved, every address is
 * checked, and the connection goes to an address that was checked, which prevents DNS rebinding.
 * @param secure undefined: without TLS
 * @throws HostNotAllowedError; the socket's error; the signal's reason on abort. No socket is left open.
 */
export async function openConnection(
  { host, port }: { readonly host: string; readonly port: number },
  secure: SecureConnection | undefined,
  signal: AbortSignal,
  deps: ConnectionDeps = {},
): Promise<Socket> {
  signal.throwIfAborted();
  const forbidden = findForbiddenHost(host);
  if (forbidden) throw new HostNotAllowedError(host, forbidden);
  const target = { host, port, lookup: guarded(deps.lookup ?? dnsLookup) };
  const socket = secure ? connectTls({ ...target, ...tlsOptions(host, secure) }) : connectTcp(target);
  // A reset can arrive at any time, even while no other listener is attached.
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

/** Shared by all connections without settings of their own: creating one costs a good part of a handshake. */
let usualContext: SecureContext | undefined;

function tlsOptions(
  host: string,
  { rejectUnauthorized = true, servername, secureContext, alpnProtocols }: SecureConnection,
) {
  return {
    rejectUnauthorized,
    // SNI does not allow IP addresses; Node checks the certificate against the address anyway.
    servername: servername ?? (isIP(host) === 0 ? host : undefined),
    secureContext: secureContext ?? (usualContext ??= createSecureContext()),
    ALPNProtocols: alpnProtocols,
  };
}

/** A DNS lookup that fails if any address is forbidden. */
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
