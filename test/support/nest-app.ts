import { type DynamicModule, type INestApplication, type Type } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type ServiceInstance, ServiceRegistry } from 'nest-service-discovery';
import { type RegistrySnapshot } from 'nest-service-discovery/core';

/** The modules and providers of an app. */
export type AppModule = Type | DynamicModule;

/** Both of Nest's own platforms, for `describe.each`. */
export const PLATFORMS: readonly (readonly [name: string, adapter: () => AbstractHttpAdapter])[] = [
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter() as AbstractHttpAdapter],
];

/** Apps that a spec starts; all of them are closed at the end of each test. */
export class Apps {
  private readonly running: INestApplication[] = [];

  /** An app before initialization. */
  async create(
    module: AppModule,
    adapter: () => AbstractHttpAdapter = () => new ExpressAdapter(),
  ): Promise<INestApplication> {
    const app = await NestFactory.create(module, adapter(), { logger: false, abortOnError: false });
    this.running.push(app);
    return app;
  }

  /** An app that listens on a free port of the loopback address. */
  async listen(module: AppModule, adapter?: () => AbstractHttpAdapter): Promise<INestApplication> {
    const app = await this.create(module, adapter);
    await app.listen(0, '127.0.0.1');
    return app;
  }

  async close(): Promise<void> {
    await Promise.all(this.running.splice(0).map((app) => app.close()));
  }
}

/** The URL of an app, without a trailing slash. */
export function urlOf(app: INestApplication): string {
  return `http://127.0.0.1:${portOf(app)}`;
}

export function portOf(app: INestApplication): number {
  return (app.getHttpServer() as { address(): { port: number } }).address().port;
}

/** Resolves with what `look` finds in the app's registry, now or after a change. */
export function inRegistry<T>(app: INestApplication, look: (snapshot: RegistrySnapshot) => T | undefined): Promise<T> {
  const registry = app.get(ServiceRegistry);
  return new Promise((resolve) => {
    const check = (): void => {
      const found = look(registry.snapshot);
      if (found === undefined) return;
      stop();
      resolve(found);
    };
    const stop = registry.onChange(check);
    check();
  });
}

/** Resolves with the first instance of a service once the app's registry shows it. */
export function registered(app: INestApplication, serviceName: string): Promise<ServiceInstance> {
  return inRegistry(app, ({ services }) => services.get(serviceName)?.[0]);
}

/** The error that an app fails to start with. */
export async function startError(module: AppModule): Promise<unknown> {
  try {
    const app = await NestFactory.create(module, { logger: false, abortOnError: false });
    await app.init();
    await app.close();
  } catch (error) {
    return error;
  }
  throw new Error('The app has started');
}
