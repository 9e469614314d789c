import { type Body, get, Load } from './load.js';
import { paceOf } from './pace.js';
import { type Stage } from './stage.js';

/** Everyday traffic: single users, and overviews that need four services; a missing part counts as a failure. */
export async function shopLoad(stage: Stage): Promise<Load> {
  const paths = [...[1, 2, 3].map((id) => `/users/${id}`), '/users/1/overview'];
  const requests = paths.map((path) => get(stage.shop(path)));
  return new Load({ requests, rate: await paceOf(requests, 150, stage.print), fault: incompleteness });
}

export function incompleteness({ missing }: Body): string | undefined {
  return Array.isArray(missing) && missing.length > 0 ? `without ${missing.join(', ')}` : undefined;
}
