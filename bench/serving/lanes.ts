/** What is measured: an app, and which requests it gets. */
export interface Lane {
  readonly platform: 'Express' | 'Fastify';
  readonly withModule: boolean;
  /** Whether requests carry a deadline, as calls between services of this library do. */
  readonly withDeadline: boolean;
}

/** The first of each platform is what the others are compared with. */
export const LANES: readonly Lane[] = (['Express', 'Fastify'] as const).flatMap((platform) => [
  { platform, withModule: false, withDeadline: false },
  { platform, withModule: true, withDeadline: false },
  { platform, withModule: true, withDeadline: true },
]);

export function nameOf({ platform, withModule, withDeadline }: Lane): string {
  if (!withModule) return `${platform}, without the module`;
  return `${platform}, with it${withDeadline ? ', a deadline' : ''}`;
}
