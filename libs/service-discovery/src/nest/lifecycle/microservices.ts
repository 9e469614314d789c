import { type ModulesContainer } from '@nestjs/core';
import { ReplaySubject, type Observable, type Subscription } from 'rxjs';
import { type Protocol } from '../../model/index.js';
import { type ListeningServer } from './server-address.js';

/** A server of `@nestjs/microservices`, or a transport strategy of the app's own. */
interface RpcServer {
  readonly transportId?: unknown;
  /** Of gRPC: host and port. */
  readonly url?: unknown;
  listen(callback: (...results: unknown[]) => unknown): unknown;
  unwrap?(): unknown;
}

/** A microservice that listens. */
export interface ListeningMicroservice {
  /** What a registration may say that it speaks, the usual first; empty where its transport has no port, such as Redis. */
  readonly protocols: readonly Protocol[];
  /** Undefined where it is not known at which port it listens. */
  readonly server: ListeningServer | undefined;
}

const TCP = 0;
const GRPC = 4;
/** By the numbers of Nest's transports. */
const PROTOCOLS: ReadonlyMap<unknown, readonly Protocol[]> = new Map([
  [TCP, ['tcp']],
  [GRPC, ['grpc', 'grpcs']],
]);

/** Not a Unix socket, and not port 0: which one the system chose, only the package of gRPC knows. */
const HOST_AND_PORT = /^\[?([^/[\]]+)\]?:([1-9]\d*)$/;

/**
 * The microservices of an app: that of `createMicroservice`, or those that `connectMicroservice` adds to an HTTP server. Nest
 * hands them out as they are made, before they listen.
 */
export class Microservices {
  private readonly protocols: (readonly Protocol[])[] = [];
  private readonly started = new ReplaySubject<ListeningMicroservice>();
  private readonly following: Subscription | undefined;

  constructor(modules: ModulesContainer) {
    // Not in the first versions of Nest 11.
    if (!('getRpcTargetRegistry' in modules)) return;
    this.following = modules.getRpcTargetRegistry<RpcServer>().subscribe((server) => this.follow(server));
  }

  /** Each one that listens, also those that did before. */
  get listening$(): Observable<ListeningMicroservice> {
    return this.started.asObservable();
  }

  get isEmpty(): boolean {
    return this.protocols.length === 0;
  }

  /** Whether one speaks a protocol, listening already or not. */
  speaks(protocol: Protocol): boolean {
    return this.protocols.flat().includes(protocol);
  }

  close(): void {
    this.following?.unsubscribe();
    this.started.complete();
  }

  private follow(server: RpcServer): void {
    const protocols = PROTOCOLS.get(server.transportId) ?? [];
    this.protocols.push(protocols);
    const listen = server.listen.bind(server);
    // Not all transports have events, and every one has this callback.
    server.listen = (callback) =>
      listen((...results) => {
        const [error] = results;
        if (!error) this.started.next({ protocols, server: serverOf(server) });
        return callback(...results);
      });
  }
}

function serverOf(server: RpcServer): ListeningServer | undefined {
  if (server.transportId === TCP) return server.unwrap?.() as ListeningServer | undefined;
  if (server.transportId !== GRPC || typeof server.url !== 'string') return undefined;
  const [, host, port] = HOST_AND_PORT.exec(server.url) ?? [];
  if (host === undefined) return undefined;
  return { address: () => ({ address: host, family: '', port: Number(port) }) };
}
