import { ConsoleLogger, Logger, type LoggerService } from '@nestjs/common';
import { isRecord } from '../common/index.js';
import { type LoggerPort, withIds } from '../observability/index.js';

/** Context of the library's log lines. */
export const LOG_CONTEXT = 'ServiceDiscovery';

/** Nest exposes the app's logger only to subclasses. */
class AppLogger extends Logger {
  /**
   * Whether it writes for people: Nest's own, or one derived from it, such as to leave lines out, unless that prints in a way
   * of its own or writes JSON.
   */
  static get writesText(): boolean {
    const logger: LoggerService | undefined = this.staticInstanceRef;
    if (!(logger instanceof ConsoleLogger)) return false;
    const { options, printMessages } = logger as unknown as {
      readonly options: { readonly json?: boolean };
      readonly printMessages: unknown;
    };
    return options.json !== true && printMessages === Reflect.get(ConsoleLogger.prototype, 'printMessages');
  }

  /** Whether it is that of nestjs-pino, which shows fields if they come before the message, and else drops them. */
  static get takesFieldsFirst(): boolean {
    const logger: unknown = this.staticInstanceRef;
    if (!isRecord(logger) || typeof logger.contextName !== 'string') return false;
    // Its `NativeLogger` takes them as Nest's does.
    return isRecord(logger.logger) && typeof logger.logger.assign === 'function' && !('structuredParams' in logger);
  }
}

/**
 * Writes lines through Nest's Logger, and so to whatever logger the app has set at the time. The message comes first and
 * the fields after it, unless the logger is that of nestjs-pino.
 * @param withFields whether they do. @default where they are not one more line, or several, for a reader of text
 */
export function nestLoggerPort(withFields?: boolean): LoggerPort {
  const logger = new Logger(LOG_CONTEXT);
  const write =
    (level: keyof LoggerPort): LoggerPort[keyof LoggerPort] =>
    (message, fields) => {
      if (Object.keys(fields).length === 0) logger[level](message);
      else if (!(withFields ?? !AppLogger.writesText)) logger[level](withIds(message, fields));
      else if (AppLogger.takesFieldsFirst) logger[level](fields, message);
      else logger[level](message, fields);
    };
  return { debug: write('debug'), log: write('log'), warn: write('warn'), error: write('error') };
}
