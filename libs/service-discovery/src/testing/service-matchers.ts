import { describeValue } from '../common/index.js';
import { type ReceivedRequest, TestingDiscovery } from './testing-discovery.js';

/** What a request of {@link ServiceMatchers.toHaveBeenCalledThrough} must have, such as its path. */
export type ExpectedRequest = Partial<Record<Exclude<keyof ReceivedRequest, 'service'>, unknown>>;

/** The matchers as Jest's and Vitest's types take them up. */
export interface ServiceMatchers<R = unknown> {
  /**
   * The fake service received a request through a `TestingDiscovery`.
   * @param expected fields that one request must have; matchers such as `expect.objectContaining()` may stand in it
   */
  toHaveBeenCalledThrough(service: string, expected?: ExpectedRequest): R;
}

/** What Jest and Vitest hand to a matcher. */
interface MatcherContext {
  readonly isNot?: boolean;
  equals(actual: unknown, expected: unknown): boolean;
}

/** For `expect.extend(serviceMatchers)` of Jest and Vitest. */
export const serviceMatchers = {
  toHaveBeenCalledThrough(
    this: MatcherContext,
    discovery: unknown,
    service: string,
    expected: ExpectedRequest = {},
  ): { pass: boolean; message: () => string } {
    if (!(discovery instanceof TestingDiscovery)) {
      throw new TypeError(
        `toHaveBeenCalledThrough is for expect(createTestingDiscovery(…)), but got ${describeValue(discovery)}`,
      );
    }
    const fields = Object.entries(expected) as [keyof ExpectedRequest, unknown][];
    const pass = discovery.requests.some(
      (request) => request.service === service && fields.every(([name, value]) => this.equals(request[name], value)),
    );
    const wanted = fields.length === 0 ? '' : ` with ${describeValue(expected)}`;
    return {
      pass,
      message: () =>
        `expected "${service}" ${this.isNot ? 'not ' : ''}to have been called${wanted}, ` +
        `and ${describeRequests(discovery.requests)}`,
    };
  },
};

function describeRequests(requests: readonly ReceivedRequest[]): string {
  if (requests.length === 0) return 'no fake service received a request';
  const lines = requests.map(({ method, path, instanceId }) => `\n  ${method} ${path} by ${instanceId}`);
  return `these requests were received:${lines.join('')}`;
}
