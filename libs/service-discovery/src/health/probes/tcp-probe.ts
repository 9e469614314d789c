import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { type TlsSettings } from '../../common/index.js';
import { HostPolicy, type ServiceInstance } from '../../model/index.js';
import { connectionFailure, type Probe, type ProbeResult } from './probe.js';

/** What the protocol above TLS contributes to a connection. */
interface SecureConnection extends TlsSettings {
  readonly alpnProtocols: string[];
}

export interface ConnectionDeps {
  /** Which hosts may be checked. @default all that are not forbidden */
  hosts?: HostPolicy;
  /** @default the system's resolver */
  lookup?: LookupFunction;
}

const USUAL_HOSTS = new HostPolicy();

/**
 * Opens a connection to an instance for one probe. Hosts that are not allowed are refused: a name is resolved, every
 * address is checked, and the connection goes to an address that was checked, which prevents DNS rebinding.
 * @param secure undefined: without TLS
 * @throws HostNotAllowedError; the socket's error; the signal's reason on abort. No socket is left open.
 */
export async function openConnection(
  { host, port }: { readonly host: string; readonly port: number },
  secure: SecureConnection | undefined,
  signal: AbortSignal,
  { hosts = USUAL_HOSTS, lookup }: ConnectionDeps = {},
): Promise<Socket> {
  signal.throwIfAborted();
  hosts.assertAllowed(host);
  const target = { host, port, lookup: hosts.guard(lookup) };
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
  { rejectUnauthorized = true, servername, secureContext, checkServerIdentity, alpnProtocols }: SecureConnection,
) {
  return {
    rejectUnauthorized,
    ...(checkServerIdentity && { checkServerIdentity }),
    // SNI does not allow IP addresses; Node checks the certificate against the address anyway.
    servername: servername ?? (isIP(host) === 0 ? host : undefined),
    secureContext: secureContext ?? (usualContext ??= createSecureContext()),
    ALPNProtocols: alpnProtocols,
  };
}

/** Where a TCP health check connects. */
export interface TcpProbeSettings {
  /** @default the instance's port */
  readonly port?: number;
}

/** Passes when a TCP connection opens; sends nothing. Never throws. */
export class TcpProbe implements Probe {
  constructor(
    private readonly settings: TcpProbeSettings = {},
    private readonly deps: ConnectionDeps = {},
  ) {}

  async check({ host, port }: ServiceInstance, signal: AbortSignal): Promise<ProbeResult> {
    try {
      const socket = await openConnection({ host, port: this.settings.port ?? port }, undefined, signal, this.deps);
      socket.destroy();
      return { passed: true };
    } catch (error) {
      return connectionFailure(error, signal);
    }
  }
}
