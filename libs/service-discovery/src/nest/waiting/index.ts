/** Waits until services are there, such as at the start of an app. */
export { type ServiceWaitDeps, type WaitForServiceOptions, waitForServices } from './wait-for-services.js';
