import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Draw } from './draw.js';
import { type FuzzRequest } from './fuzz-request.js';

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Described {
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const DESCRIPTION = join(import.meta.dirname, '../../../libs/service-discovery/openapi.json');
const API = '/service-discovery';
/** What an app answers beside the API. */
const OTHER_PATHS = ['/health', '/health/ready', '/health/live', '/', API, `${API}/openapi.json`, '/nothing'];

/** Few names, so that requests meet what others registered. */
const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, index) => prefix + index);
const KNOWN: Readonly<Record<string, readonly unknown[]>> = {
  name: names('fuzzed-', 8),
  service_name: names('fuzzed-', 8),
  services: [names('fuzzed-', 2), names('fuzzed-', 8), []],
  service: names('fuzzed-', 8),
  id: names('instance-', 8),
  instance_id: names('instance-', 8),
  tag: ['blue', 'green'],
  tags: [['blue'], ['green', 'blue']],
  host: ['127.0.0.1', 'localhost'],
  path: ['', '/v1'],
  health_check_path: ['/health', null],
  version: ['1.2.3', '^1.2', '2.0.0-rc.1'],
  tier: ['web', 'ml'],
  strategy: ['round_robin', 'random', 'consistent_hash'],
  limit: ['1', '100'],
  client_ip: ['10.0.0.7', '::1'],
};

/** Valid requests of every operation that `openapi.json` describes. */
export class Operations {
  private constructor(private readonly described: OpenApi) {}

  static async read(): Promise<Operations> {
    return new Operations(JSON.parse(await readFile(DESCRIPTION, 'utf8')) as OpenApi);
  }

  /** Each operation once, as `GET /services/{name}`. */
  get all(): readonly string[] {
    return Object.entries(this.described.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
  }

  /** A request of an operation that answers what it should, if it may be sent. */
  request(operation: string, draw: Draw): FuzzRequest {
    const [method = '', template = ''] = operation.split(' ');
    const { parameters, requestBody } = this.described.paths[template]![method.toLowerCase()]!;
    const query = parameters.filter((parameter) => parameter.in === 'query' && draw.chance(0.3));
    const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(valueOf(name, draw)));
    const pairs = query.map(({ name }) => `${name}=${encodeURIComponent(valueOf(name, draw))}`).join('&');
    const schema = requestBody?.content['application/json']?.schema;
    const request = requestTo(operation, method, API + path + (pairs && `?${pairs}`));
    if (schema) {
      request.headers.push(['content-type', 'application/json']);
      request.body = Buffer.from(JSON.stringify(this.sample(schema, '', draw)));
    }
    return request;
  }

  /** A request for something that the API does not describe. */
  static other(draw: Draw): FuzzRequest {
    return requestTo('GET another path', 'GET', draw.of(OTHER_PATHS));
  }

  /** A value that a schema allows. */
  private sample(schema: Schema, name: string, draw: Draw): unknown {
    if (schema.$ref !== undefined)
      return this.sample(this.described.components.schemas[schema.$ref.split('/').at(-1)!]!, name, draw);
    if (KNOWN[name]) return draw.of(KNOWN[name]);
    if (schema.enum) return draw.of(schema.enum);
    const { minimum = 0, maximum = 100_000 } = schema;
    switch (schema.type) {
      case 'object': {
        const { properties = {}, required = [] } = schema;
        const given = Object.keys(properties).filter((key) => required.includes(key) || draw.chance(0.2));
        return Object.fromEntries(given.map((key) => [key, this.sample(properties[key]!, key, draw)]));
      }
      case 'array':
        return Array.from({ length: draw.below(4) }, () => this.sample(schema.items ?? {}, name, draw));
      case 'integer':
      case 'number':
        return minimum + draw.below(maximum - minimum);
      case 'boolean':
        return draw.chance(0.5);
      case 'string':
        return draw.of(['a', 'b', 'c']);
      case undefined:
        return { status: 'ok' };
      default:
        throw new Error(`No sample of the type ${schema.type}`);
    }
  }
}

function requestTo(operation: string, method: string, target: string): FuzzRequest {
  const headers: [string, string][] = [['host', '127.0.0.1']];
  return { operation, method, target, version: 'HTTP/1.1', headers, body: undefined, framing: 'length' };
}

function valueOf(name: string, draw: Draw): string {
  return String(draw.of(KNOWN[name] ?? ['1', 'true', 'x']));
}
