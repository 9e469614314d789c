import { OPERATIONS } from '../../libs/service-discovery/src/nest/rest/openapi/operations.js';

/** The paths of all routes of the API that read what is known of one service or of its instance. */
export function readsOfService(name: string, id: string): readonly string[] {
  return Object.values(OPERATIONS)
    .filter(({ route }) => route.startsWith('GET ') && route.includes(':name'))
    .map(({ route }) => route.slice('GET '.length).replace(':name', name).replace(':id', id));
}
