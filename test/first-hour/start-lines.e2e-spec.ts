import { ConsoleLogger, type LoggerService, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { DiscoverableService, ServiceDiscoveryModule, type ServiceDiscoveryOptions } from 'nest-service-discovery';

/** The log lines of an app, with their contexts. */
class Lines extends ConsoleLogger {
  readonly lines: string[] = [];

  override log(message: unknown, ...rest: unknown[]): void {
    this.lines.push(`[${String(rest.at(-1))}] ${String(message)}`);
  }
}

/** As in docs/troubleshooting.md. */
class AppLogger extends Lines {
  override log(message: unknown, ...rest: unknown[]): void {
    const isRoute = ['RoutesResolver', 'RouterExplorer'].includes(String(rest.at(-1)));
    if (!isRoute || !String(message).includes('/service-discovery')) super.log(message, ...rest);
  }
}

let app: Awaited<ReturnType<typeof NestFactory.create>> | undefined;

afterEach(async () => {
  await app?.close();
});

async function linesOf<T extends Lines>(options: ServiceDiscoveryOptions, logger: T): Promise<string[]> {
  @DiscoverableService({ name: 'user-service' })
  @Module({ imports: [ServiceDiscoveryModule.forRoot(options)] })
  class UserModule {}

  app = await NestFactory.create(UserModule, { logger: logger as LoggerService });
  app.setGlobalPrefix('v1');
  await app.listen(0, '127.0.0.1');
  return logger.lines;
}

describe('an app at startup', () => {
  it('logs in one line which registry it uses, before it registers', async () => {
    const lines = await linesOf({ mode: 'memory_only', healthCheck: false }, new Lines());
    const own = lines.filter((line) => line.startsWith('[ServiceDiscovery] Registry'));
    expect(own).toEqual([
      '[ServiceDiscovery] Registry: this process (memory_only); namespace default; registers user-service; ' +
        'API at /v1/service-discovery, reading and writing from this machine (SERVICE_DISCOVERY_TOKEN lets others in)',
    ]);
    const registered = lines.findIndex((line) => line.includes(' registered at '));
    expect(registered === -1 || registered > lines.indexOf(own[0]!)).toBe(true);
  });

  it('logs nothing with logging off', async () => {
    const lines = await linesOf({ healthCheck: false, logging: false }, new Lines());
    expect(lines.filter((line) => line.startsWith('[ServiceDiscovery]'))).toEqual([]);
  });

  it("omits the lines of the API's routes with the logger of docs/troubleshooting.md", async () => {
    const lines = await linesOf({ healthCheck: false, api: {} }, new AppLogger());
    expect(lines.filter((line) => line.includes('/service-discovery/'))).toEqual([]);
    expect(lines).toContain('[RouterExplorer] Mapped {/v1/health, GET} route');
  });
});
