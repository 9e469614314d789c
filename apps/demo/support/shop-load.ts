import { type Body, get, Load } from './load.js';
import { type Stage } from './stage.js';

/** Everyday traffic: single users, and overviews that need four services; a part left out counts as a failure. */
export function shopLoad(stage: Stage): Load {
  const paths = [...[1, 2, 3].map((id) => `/users/${id}`), '/users/1/overview'];
  return new Load({ requests: paths.map((path) => get(stage.shop(path))), fault: incompleteness });
}

export function incompleteness({ missing }: Body): string | undefined {
  return Array.isArray(missing) && missing.length > 0 ? `without ${missing.join(', ')}` : undefined;
}
