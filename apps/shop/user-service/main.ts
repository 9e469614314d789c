import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { INSTANCE } from '../support/instance.js';
import { UserServiceModule } from './user-service.module.js';

const app = await NestFactory.create(UserServiceModule);
// At shutdown the service drains and deregisters first, then finishes the calls in flight.
app.enableShutdownHooks();
// Port 0 picks any free port; the registry knows which.
await app.listen(process.env.PORT ?? 0, process.env.HOST ?? '127.0.0.1');
Logger.log(`${INSTANCE} listens on ${await app.getUrl()}`, 'UserService');
