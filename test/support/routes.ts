import { type Operation, OPERATIONS } from '../../libs/service-discovery/src/nest/rest/openapi/operations.js';

/** What `GET` routes answer at once: event streams are not among them. */
const READS = Object.values(OPERATIONS)
  .filter(({ route, answers }) => route.startsWith('GET ') && answers[200] !== 'text/event-stream')
  .map(({ route }) => route.slice('GET '.length));

/** The paths of all routes of the API that read what is known of one service or of its instance. */
export function readsOfService(name: string, id: string): readonly string[] {
  return READS.filter((path) => path.includes(':name')).map((path) => path.replace(':name', name).replace(':id', id));
}

/** The paths of all routes of the API that read what is known of all services. */
export function readsOfAll(tag = 'x'): readonly string[] {
  return READS.filter((path) => !path.includes(':name')).map((path) => path.replace(':tag', tag));
}

/** What a request is for; of several, the route without parameters comes first. */
export function operationOf(method: string, path: string): Operation | undefined {
  return Object.values(OPERATIONS).find(({ route }) => {
    const [declared, template = ''] = route.split(' ');
    return declared === method && new RegExp(`^${template.replace(/:\w+/g, '[^/]+')}$`).test(path.split('?')[0]!);
  });
}
