import { Logger } from '@nestjs/common';
import { type LoggerPort } from '../observability/index.js';

/** What the library's lines are logged under. */
export const LOG_CONTEXT = 'ServiceDiscovery';

/**
 * Writes lines through Nest's Logger, and so to whatever logger the app has set. The message comes first and the
 * fields after it: Nest's own logger prints the fields as an object of their own, or as JSON where it is set to.
 */
export function nestLoggerPort(logger: Logger = new Logger(LOG_CONTEXT)): LoggerPort {
  const write =
    (level: keyof LoggerPort): LoggerPort[keyof LoggerPort] =>
    (message, fields) =>
      logger[level](message, ...(Object.keys(fields).length > 0 ? [fields] : []));
  return { debug: write('debug'), log: write('log'), warn: write('warn'), error: write('error') };
}
