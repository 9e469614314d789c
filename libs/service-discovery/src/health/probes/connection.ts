import { lookup as dnsLookup } from 'node:dns';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { type TlsSettings } from '../../common/index.js';
import { assertAddressAllowed, findForbiddenHost, HostNotAllowedError } from '../../model/index.js';

/** What the protocol above has to say to a TLS connection. */
export interface SecureConnection extends TlsSettings {
  readonly alpnProtocols: string[];
}

export interface ConnectionDeps {
  /** @default the system's resolver */
  lookup?: LookupFunction;
}

/**
 * Opens a connection to an instance for one probe. Hosts that no service may stand at are refused: a name is resolved,
 * each address checked, and the connection made to the very address that was checked, so that a name cannot answer
 * differently the second time.
 * @param secure undefined: without TLS
 * @throws HostNotAllowedError; the socket's error; the signal's reason when it aborts. No socket is left then.
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

/** One for all that need none of their own: to make it takes as long as a good part of a handshake. */
let usualContext: SecureContext | undefined;

function tlsOptions(
  host: string,
  { rejectUnauthorized = true, servername, secureContext, alpnProtocols }: SecureConnection,
) {
  return {
    rejectUnauthorized,
    // An address is no name that could be asked for, and Node checks the certificate against it all the same.
    servername: servername ?? (isIP(host) === 0 ? host : undefined),
    secureContext: secureContext ?? (usualContext ??= createSecureContext()),
    ALPNProtocols: alpnProtocols,
  };
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
