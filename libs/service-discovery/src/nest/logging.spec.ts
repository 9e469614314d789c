import { afterEach, describe, expect, it } from '@jest/globals';
import { ConsoleLogger, Logger, type LoggerService } from '@nestjs/common';
import { Logger as NestPino, PinoLogger } from 'nestjs-pino';
import { nestLoggerPort } from './logging.js';

const FIELDS = { service: 'users' };
const IDS = { requestId: 'abc-1', traceId: '4bf92f3577b34da6a3ce929d0e0e4736' };

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

describe('the ids of a request and its trace', () => {
  const line = { ...FIELDS, ...IDS };

  it('are fields of the JSON of Nest', () => {
    const written: string[] = [];
    class JsonLogger extends ConsoleLogger {
      protected override printAsJson(...args: Parameters<ConsoleLogger['printAsJson']>): void {
        written.push(JSON.stringify(this.getJsonLogObject(...args)));
      }
    }
    void Logger.overrideLogger(new JsonLogger({ json: true, flattenParams: true }));
    nestLoggerPort().warn('a sentence', line);
    expect(written.map((json) => JSON.parse(json) as unknown)).toMatchObject([{ message: 'a sentence', ...line }]);
  });

  it('are fields of the JSON of nestjs-pino', () => {
    const written: string[] = [];
    const pino = new PinoLogger({ pinoHttp: [{}, { write: (json: string) => void written.push(json) }] });
    void Logger.overrideLogger(new NestPino(pino, {}));
    nestLoggerPort().warn('a sentence', line);
    const expected = { msg: 'a sentence', context: 'ServiceDiscovery', ...line };
    expect(written.map((json) => JSON.parse(json) as unknown)).toMatchObject([expected]);
  });

  it('stand behind the sentence where the logger writes text', () => {
    const logger = new ConsoleLogger();
    let written: unknown;
    logger.warn = (message: unknown) => void (written = message);
    void Logger.overrideLogger(logger);
    nestLoggerPort().warn('a sentence', line);
    expect(written).toBe(`a sentence (request ${IDS.requestId}, trace ${IDS.traceId})`);
  });
});
