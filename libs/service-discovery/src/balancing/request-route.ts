import { type HashRequest, headerOf } from './hash-source.js';
import { type ResolvedRoute } from './resolve-load-balancing-options.js';

/** The version that the first route which fits a request sends it to; undefined where none fits. */
export function routedVersion(request: HashRequest, routes: readonly ResolvedRoute[]): string | undefined {
  return routes.find((route) => fits(headerOf(request, route.header), route))?.version;
}

function fits(header: string | undefined, { value, pattern }: ResolvedRoute): boolean {
  if (header === undefined) return false;
  if (value !== undefined) return header === value;
  return pattern?.test(header) ?? true;
}
