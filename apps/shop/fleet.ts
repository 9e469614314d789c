import { type ProcessSpec } from '../support/processes.js';

/** A process of the shop: an instance of a service. */
export interface ShopProcess extends ProcessSpec {
  readonly service: string;
}

/** `user-service` twice, as `user-1` and `user-2`; each uses a free port unless its environment sets one. */
export function instancesOf(
  service: string,
  names: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ShopProcess[] {
  return names.map((name) => ({
    service,
    name,
    script: `shop/${service}/main.js`,
    env: { PORT: '0', ...env, INSTANCE_NAME: name },
  }));
}

/** Settings that connect a process to the registry at `url`. All of them run on this machine, so 127.0.0.1 is right for their callers. */
export function registeredAt(url: string): Record<string, string> {
  return {
    SERVICE_DISCOVERY_MODE: 'remote',
    SERVICE_DISCOVERY_REGISTRY_URL: url,
    SERVICE_DISCOVERY_HOST: '127.0.0.1',
  };
}
