import { afterEach, describe, expect, it } from '@jest/globals';
import { ConsoleLogger, Logger, type LoggerService } from '@nestjs/common';
import { nestLoggerPort } from './logging.js';

const FIELDS = { service: 'users' };

/** What of a line with fields reaches a logger that an app has set. */
function written(logger: LoggerService, withFields?: boolean): unknown[] {
  const port = nestLoggerPort(withFields);
  let line: unknown[] = [];
  logger.warn = (...all: unknown[]) => void (line = all);
  void Logger.overrideLogger(logger);
  port.warn('a sentence', FIELDS);
  return line;
}

class OwnLogger extends ConsoleLogger {
  protected override printMessages(): void {}
}

/** Leaves lines out. */
class FilteringLogger extends ConsoleLogger {
  override log(message: unknown, ...rest: unknown[]): void {
    if (rest.at(-1) !== 'RouterExplorer') super.log(message, ...rest);
  }
}
const other = (): LoggerService => ({ log: () => undefined, warn: () => undefined, error: () => undefined });

afterEach(() => void Logger.overrideLogger(new ConsoleLogger()));

describe('the fields of a line', () => {
  it.each<[string, () => LoggerService]>([
    ['that writes JSON', () => new ConsoleLogger({ json: true })],
    ['derived from that of Nest that prints in a way of its own', () => new OwnLogger()],
    ['of its own', other],
  ])('go to a logger %s', (_what, logger) => {
    expect(written(logger())).toEqual(['a sentence', FIELDS, 'ServiceDiscovery']);
  });

  it.each([
    ['that of Nest', () => new ConsoleLogger()],
    ['one derived from it', () => new FilteringLogger()],
  ])('are left out where the logger is %s and writes text, which says the same', (_what, logger) => {
    expect(written(logger())).toEqual(['a sentence', 'ServiceDiscovery']);
  });

  it('are included or not as configured', () => {
    expect(written(new ConsoleLogger(), true)).toEqual(['a sentence', FIELDS, 'ServiceDiscovery']);
    expect(written(other(), false)).toEqual(['a sentence', 'ServiceDiscovery']);
  });
});
