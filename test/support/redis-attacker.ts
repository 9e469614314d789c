import { type Redis } from 'ioredis';
import { KeySpace, type ServiceKeys } from '../../libs/service-discovery/src/store/redis/keys.js';
import { callAll } from '../../libs/service-discovery/src/store/redis/lua-call.js';
import { put, setSplit } from '../../libs/service-discovery/src/store/redis/lua-scripts.js';
import { type StoredSplit } from '../../libs/service-discovery/src/store/redis/split-signatures.js';

/** What Redis holds of one instance. */
export interface Loot {
  readonly record: string;
  readonly state: string;
}

/** Has write access to Redis and no signing key: writes what it makes up, and puts back what it has read. */
export class RedisAttacker {
  private readonly keys: ServiceKeys;

  constructor(
    private readonly redis: Redis,
    serviceName: string,
    namespace = 'default',
  ) {
    this.keys = new KeySpace(namespace).of(serviceName);
  }

  async read(instanceId: string): Promise<Loot> {
    const [record, state] = [
      this.redis.hget(this.keys.records, instanceId),
      this.redis.hget(this.keys.states, instanceId),
    ];
    return { record: String(await record), state: String(await state) };
  }

  /** Writes with plain commands, and publishes nothing. */
  async write(instanceId: string, { record, state }: Loot): Promise<void> {
    const { records, states, leases } = this.keys;
    const farAway = Date.UTC(2100, 0, 1);
    await this.redis
      .multi()
      .hset(records, instanceId, record)
      .hset(states, instanceId, state)
      .zadd(leases, farAway, instanceId)
      .exec();
  }

  /** Registers with the script of the library, which publishes the change. */
  async register(instanceId: string, record: string): Promise<void> {
    const call = put(this.keys, 256, instanceId, record, '60000', 'heartbeat', '');
    await callAll(this.redis, [{ ...call, load: true }]);
  }

  async readSplit(): Promise<StoredSplit> {
    const [text, signature] = await this.redis.hmget(this.keys.meta, 'split', 'splitSignature');
    return { text: String(text), signature: String(signature) };
  }

  /** Sets a split with the script of the library, which publishes the change. */
  async announceSplit({ text, signature }: StoredSplit): Promise<void> {
    const known = (await this.redis.hget(this.keys.meta, 'split')) ?? '';
    await callAll(this.redis, [{ ...setSplit(this.keys, text, signature, known, 256), load: true }]);
  }

  /** Publishes the removal of an instance that is still there. */
  async announceRemoval(instanceId: string, { state }: Loot): Promise<void> {
    const { changes, meta } = this.keys;
    const [epoch, sequence, tag] = await this.redis.hmget(meta, 'epoch', 'sequence', 'tag');
    const text = ['remove', instanceId, 'deregistered', state.split(' ')[0]].join('\n');
    await this.redis.publish(changes, [epoch, Number(sequence) + 1, tag, 'forged', text].join(' '));
  }
}
