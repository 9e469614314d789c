import { ConsoleLogger, Controller, Get, HttpException, type INestApplication, Module } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  DiscoverableService,
  EventBus,
  type EventOf,
  ServiceCommunicator,
  ServiceDiscoveryModule,
  ServiceRegistry,
} from 'nest-service-discovery';
import { Apps, inRegistry, portOf } from '../support/nest-app.js';

@Controller('users')
class UsersController {
  @Get('42')
  fail(): never {
    throw new HttpException('no database', 503);
  }

  @Get('7')
  find(): object {
    return { id: 7 };
  }
}

@DiscoverableService({ name: 'user-service', instanceId: 'user-service-1' })
@Module({
  imports: [
    ServiceDiscoveryModule.forRoot({
      mode: 'memory_only',
      healthCheck: false,
      retry: { maxAttempts: 2, baseDelay: '1ms' },
    }),
  ],
  controllers: [UsersController],
})
class UserModule {}

class Warnings extends ConsoleLogger {
  readonly lines: string[] = [];

  override debug(): void {}
  override log(): void {}
  override error(): void {}
  override warn(message: unknown): void {
    this.lines.push(String(message));
  }
}

const apps = new Apps();
afterEach(() => apps.close());

interface Stage {
  readonly app: INestApplication;
  readonly communicator: ServiceCommunicator;
  /** The warnings that say how a call failed. */
  failures(): string[];
}

async function start(): Promise<Stage> {
  const app = await apps.create(UserModule);
  const logger = new Warnings();
  app.useLogger(logger);
  await app.listen(0, '127.0.0.1');
  await inRegistry(app, ({ services }) => services.get('user-service'));
  const failures = (): string[] => logger.lines.filter((line) => line.includes(' failed after '));
  return { app, communicator: app.get(ServiceCommunicator), failures };
}

describe('the log line of a call that failed', () => {
  it('has the method, the path without its query, the status and the instance', async () => {
    const { app, communicator, failures } = await start();
    const call = communicator.callServiceJson('user-service', { path: '/users/42?token=hush', query: { key: 'hush' } });
    await expect(call).rejects.toMatchObject({ code: 'RESPONSE_STATUS' });
    expect(failures()).toEqual([
      expect.stringMatching(
        /^GET \/users\/42 of user-service failed after 2 attempts in \d+ ms: 503 from user-service-1 \(127\.0\.0\.1:\d+\)$/,
      ),
    ]);
    expect(failures().join()).toContain(`(127.0.0.1:${portOf(app)})`);
  });

  it('has the code, and where the last attempt went, if no response arrived', async () => {
    const { app, communicator, failures } = await start();
    const gone = { serviceName: 'orders', instanceId: 'orders-1', host: '127.0.0.1', port: 1 };
    await app.get(ServiceRegistry).register(gone, { heartbeat: 'manual' });
    await expect(communicator.callServiceJson('orders', { method: 'POST', path: '/orders' })).rejects.toThrow();
    expect(failures()).toEqual([
      expect.stringMatching(
        /^POST \/orders of orders failed after \d attempts? in \d+ ms: TRANSPORT_FAILURE, the last attempt was at orders-1 \(127\.0\.0\.1:1\)$/,
      ),
    ]);
  });

  it('has the code alone, if no attempt was made', async () => {
    const { communicator, failures } = await start();
    const call = communicator.callServiceJson('user-service', { path: '/users/7', criteria: { version: '^9' } });
    await expect(call).rejects.toMatchObject({ code: 'NO_AVAILABLE_INSTANCE' });
    expect(failures()).toEqual([
      expect.stringMatching(
        /^GET \/users\/7 of user-service failed after 0 attempts in \d+ ms: NO_AVAILABLE_INSTANCE$/,
      ),
    ]);
  });
});

it('the event of a successful call names neither the request nor the address', async () => {
  const { app, communicator } = await start();
  const completed: EventOf<'call.completed'>[] = [];
  app.get(EventBus).on('call.completed', (event) => completed.push(event));
  await communicator.callServiceJson('user-service', { path: '/users/7' });
  expect(completed).toHaveLength(1);
  expect(completed[0]).toMatchObject({ ok: true, status: 200, instanceId: 'user-service-1' });
  for (const name of ['request', 'address']) expect(completed[0]).not.toHaveProperty(name);
});
