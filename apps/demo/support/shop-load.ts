import { type Body, Load } from './load.js';
import { type Stage } from './stage.js';

/** Everyday traffic: single users, and overviews that need four services; a part left out counts as a failure. */
export function shopLoad(stage: Stage): Load {
  const urls = [1, 2, 3].map((id) => stage.shop(`/users/${id}`));
  return new Load({
    urls: [...urls, stage.shop('/users/1/overview')],
    fault: ({ missing }: Body) =>
      Array.isArray(missing) && missing.length > 0 ? `without ${missing.join(', ')}` : undefined,
  });
}
