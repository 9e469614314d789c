import { type Redis } from 'ioredis';
import { type ServiceInstance } from 'nest-service-discovery/core';
import { TTL_MS } from '../support/instances.js';

/** The same batch size as the store, so that both wait equally. */
const INSTANCES_PER_PIPELINE = 1_000;
const PIPELINES_AT_ONCE = 3;
const STATE = '1767225600000000 300000 1 1767225600000 up unknown 0 -';

/**
 * The minimum work in Redis, by bare commands in pipelines on one connection. Without scripts, and therefore without
 * generations, checks of the current value, or atomicity.
 */
export class Floor {
  constructor(private readonly client: Redis) {}

  /** Writes record, state and lease, numbers the change, adds it to a capped stream, and publishes it. */
  async register(instances: readonly ServiceInstance[]): Promise<void> {
    await this.inPipelines(instances, (pipeline, instance) => {
      const key = keyOf(instance.serviceName);
      const record = recordOf(instance);
      const change = `put\n${instance.instanceId}\n${record}\n${STATE}\n`;
      pipeline.hset(`${key}:records`, instance.instanceId, record);
      pipeline.hset(`${key}:states`, instance.instanceId, STATE);
      pipeline.zadd(`${key}:leases`, Date.now() + TTL_MS, instance.instanceId);
      pipeline.hincrby(`${key}:meta`, 'sequence', 1);
      pipeline.xadd(`${key}:changes`, 'MAXLEN', '~', 256, '*', 'change', change);
      pipeline.publish(`${key}:changes`, change);
    });
  }

  /** Reads the state and writes the lease of each, and publishes the heartbeats of each service. */
  async renew(instances: readonly ServiceInstance[]): Promise<void> {
    const told = new Map<string, string[]>();
    for (const { serviceName, instanceId } of instances) {
      const ids = told.get(serviceName);
      if (ids) ids.push(instanceId);
      else told.set(serviceName, [instanceId]);
    }
    await this.inPipelines(instances, (pipeline, { serviceName, instanceId }) => {
      const key = keyOf(serviceName);
      pipeline.hget(`${key}:states`, instanceId);
      pipeline.zadd(`${key}:leases`, Date.now() + TTL_MS, instanceId);
    });
    const pipeline = this.client.pipeline();
    for (const [serviceName, ids] of told) pipeline.publish(`${keyOf(serviceName)}:beats`, ids.join(' '));
    await pipeline.exec();
  }

  /** Only an HSET of the record, like `redis-benchmark -t hset`. */
  async set(instances: readonly ServiceInstance[]): Promise<void> {
    await this.inPipelines(instances, (pipeline, instance) => {
      pipeline.hset('floor:set', instance.instanceId, recordOf(instance));
    });
  }

  private async inPipelines(
    instances: readonly ServiceInstance[],
    add: (pipeline: ReturnType<Redis['pipeline']>, instance: ServiceInstance) => void,
  ): Promise<void> {
    const starts = Array.from(
      { length: Math.ceil(instances.length / INSTANCES_PER_PIPELINE) },
      (_, n) => n * INSTANCES_PER_PIPELINE,
    ).values();
    const worker = async (): Promise<void> => {
      for (const start of starts) {
        const pipeline = this.client.pipeline();
        for (const instance of instances.slice(start, start + INSTANCES_PER_PIPELINE)) add(pipeline, instance);
        await pipeline.exec();
      }
    };
    await Promise.all(Array.from({ length: PIPELINES_AT_ONCE }, worker));
  }
}

/** The part that is constant until the next registration, as stored. */
function recordOf(instance: ServiceInstance): string {
  const { host, port, protocol, path, healthCheckPath, metadata, tags, version, weight, zone, tier } = instance;
  const fields = {
    host,
    port,
    protocol,
    path,
    healthCheckPath,
    healthCheck: instance.healthCheck,
    metadata,
    tags,
    version,
    weight,
    zone,
    tier,
    dependencies: instance.dependencies,
  };
  return JSON.stringify({ v: 1, ...fields });
}

function keyOf(serviceName: string): string {
  return `floor:{${serviceName}}`;
}
