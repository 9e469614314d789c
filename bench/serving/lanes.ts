import { type Loading } from '../support/stacks.js';

export const PLATFORMS = ['Express', 'Fastify'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** Without the module; with it, in an app that only serves; with it, in one that takes the communicator to make calls. */
export type AppKind = 'bare' | 'serves' | 'calls';

/** What is measured: an app, and which requests it gets. */
export interface Lane {
  readonly app: AppKind;
  /** Whether requests carry a deadline, as calls between services of this library do. */
  readonly withDeadline: boolean;
}

/** Each is compared with the bare app that gets the same requests. */
export const LANES: readonly Lane[] = (['bare', 'serves', 'calls'] as const).flatMap((app) =>
  [false, true].map((withDeadline) => ({ app, withDeadline })),
);

/** What a process of `served-app.ts` is told, as JSON in its first argument. */
export interface Served {
  readonly app: AppKind;
  readonly platform: Platform;
  readonly loading: Loading;
}
