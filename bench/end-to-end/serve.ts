import { type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Platform } from './lanes.js';

/** Starts an app that answers over HTTP. */
export async function serve(module: Type, platform: Platform, port: number): Promise<void> {
  const adapter = platform === 'Fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, { logger: false, abortOnError: false });
  // Longer than the turns of all other lanes, so that no connection closes while it is about to be used.
  app.getHttpServer().keepAliveTimeout = 60_000;
  await app.listen(port, '127.0.0.1');
}
