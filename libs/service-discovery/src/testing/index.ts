/** For tests: a manual clock, fakes, and the contract suites of the ports. */
export { ChangeRecorder, type Watchable } from './change-recorder.js';
export { fakeInstance } from './fake-instance.js';
export {
  type FakeExchange,
  type FakeHandler,
  type FakeResponse,
  FakeTransport,
  type HeldExchange,
} from './fake-transport.js';
export { type RegistryStoreFixture, type TestHarness } from './harness.js';
export { loadBalancerContract } from './load-balancer-contract.js';
export { ManualClock } from './manual-clock.js';
export { registryStoreContract } from './registry-store-contract.js';
export {
  ServiceDiscoveryTestingModule,
  type ServiceDiscoveryTestingOptions,
  type TestedOptions,
} from './service-discovery-testing.module.js';
export {
  type HandledRequest,
  reply,
  type Reply,
  type ServiceHandler,
  type ServiceHandlers,
} from './service-handlers.js';
export { type ExpectedRequest, type ServiceMatchers, serviceMatchers } from './service-matchers.js';
export {
  createTestingDiscovery,
  type FakeService,
  type FakeServiceInstance,
  type Faults,
  type ReceivedRequest,
  type TestingDiscovery,
} from './testing-discovery.js';
export { transportContract } from './transport-contract.js';
export { seededRandom } from '../common/index.js';
