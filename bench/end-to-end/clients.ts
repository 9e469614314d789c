import { type FactoryProvider, type ModuleMetadata } from '@nestjs/common';
import { type HttpService } from '@nestjs/axios';
import { type ClientProxy } from 'nest-microservices';
import { type ServiceCommunicator } from 'nest-service-discovery';
import { firstValueFrom } from 'rxjs';
import { MOLECULER_ACTION, moleculerOptions } from '../calls/servers/moleculer-options.js';
import { type ClientName, type Setup, type User } from './lanes.js';
import { linkMicroservices } from './microservices-hook.js';

export const USER_SERVICE = 'user-service';
export const USER_PATTERN = 'users.get';

/** What the calling app uses to get what the called one has. */
export abstract class UserClient {
  abstract find(id: string): Promise<User>;
}

/** A way to call, as the modules and the provider that an app of its users has. */
interface Client {
  readonly imports: ModuleMetadata['imports'];
  readonly provider: Omit<FactoryProvider<UserClient>, 'provide'>;
}

/** Each imports only what it needs, so that an app contains no others. */
export const CLIENTS: Readonly<Record<ClientName, (setup: Setup) => Promise<Client>>> = {
  'http-service': async ({ targetPort }) => {
    const { HttpModule, HttpService } = await import('@nestjs/axios');
    const useFactory = (http: HttpService): UserClient => ({
      find: async (id) => (await firstValueFrom(http.get<User>(`http://127.0.0.1:${targetPort}/users/${id}`))).data,
    });
    return { imports: [HttpModule], provider: { inject: [HttpService], useFactory } };
  },

  // What HTTP costs in such an app: nothing but the request and its JSON.
  undici: async ({ targetPort }) => {
    const { Pool } = await import('undici');
    const useFactory = (): UserClient => {
      const pool = new Pool(`http://127.0.0.1:${targetPort}`);
      return {
        find: async (id) => {
          const { body } = await pool.request({ method: 'GET', path: `/users/${id}` });
          return (await body.json()) as User;
        },
      };
    };
    return { imports: [], provider: { useFactory } };
  },

  'axios-opossum': async ({ targetPort }) => {
    const { HttpModule, HttpService } = await import('@nestjs/axios');
    const { default: axiosRetry } = await import('axios-retry');
    const { default: CircuitBreaker } = await import('opossum');
    const useFactory = (http: HttpService): UserClient => {
      axiosRetry(http.axiosRef, { retries: 2 });
      const breaker = new CircuitBreaker(
        async (id: string) => (await firstValueFrom(http.get<User>(`http://127.0.0.1:${targetPort}/users/${id}`))).data,
        { timeout: 10_000, resetTimeout: 60_000 },
      );
      return { find: (id) => breaker.fire(id) };
    };
    return { imports: [HttpModule], provider: { inject: [HttpService], useFactory } };
  },

  ours: async () => {
    const { ServiceCommunicator, ServiceDiscoveryModule } = await import('nest-service-discovery');
    const useFactory = (communicator: ServiceCommunicator): UserClient => ({
      find: (id) => communicator.callServiceJson<User>(USER_SERVICE, { path: `/users/${id}` }),
    });
    return { imports: [ServiceDiscoveryModule.forRoot()], provider: { inject: [ServiceCommunicator], useFactory } };
  },

  'ours-http-service': async () => {
    const { HttpService } = await import('@nestjs/axios');
    const { ServiceDiscoveryModule } = await import('nest-service-discovery');
    const { DiscoveryHttpModule } = await import('nest-service-discovery/axios');
    const useFactory = (http: HttpService): UserClient => ({
      find: async (id) => (await firstValueFrom(http.get<User>(`http://${USER_SERVICE}/users/${id}`))).data,
    });
    const imports = [ServiceDiscoveryModule.forRoot(), DiscoveryHttpModule];
    return { imports, provider: { inject: [HttpService], useFactory } };
  },

  moleculer: async ({ targetPort }) => {
    const { ServiceBroker } = await import('moleculer');
    const useFactory = async (): Promise<UserClient> => {
      const broker = new ServiceBroker(moleculerOptions('client', [targetPort]));
      await broker.start();
      await broker.waitForServices('users');
      return { find: (id) => broker.call<User, { id: string }>(MOLECULER_ACTION, { id }) };
    };
    return { imports: [], provider: { useFactory } };
  },

  microservices: async ({ targetPort: port }) => {
    linkMicroservices();
    const { ClientsModule, Transport } = await import('nest-microservices');
    const name = 'USERS';
    const useFactory = (client: ClientProxy): UserClient => ({
      find: (id) => firstValueFrom(client.send<User>(USER_PATTERN, id)),
    });
    const imports = [
      ClientsModule.register([{ name, transport: Transport.TCP, options: { host: '127.0.0.1', port } }]),
    ];
    return { imports, provider: { inject: [name], useFactory } };
  },
};
