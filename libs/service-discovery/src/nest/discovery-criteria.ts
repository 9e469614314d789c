import { type LoadBalancing, type SelectionCriteria } from '../balancing/index.js';

/** What is wanted of an endpoint. */
export interface DiscoveryCriteria extends SelectionCriteria {
  /** Which of the instances that fit; a name alone goes by the module's other options. @default the module's `loadBalancing` */
  strategy?: LoadBalancing;
  /** What hash strategies go by. */
  key?: string;
  /** What `ip_hash` goes by: the address of the client on whose behalf the service is asked. */
  clientIp?: string;
}
