import { Inject, Injectable } from '@nestjs/common';
import { Channel, type Clock, type Timer } from '../../common/index.js';
import { type ServiceDiscoveryEvent } from '../../model/index.js';
import { EventBus } from '../../observability/index.js';
import { CLOCK } from '../tokens.js';
import { frameOf, type StreamReader } from './event-streams.js';
import { toEventView } from './views/index.js';

/** How long events are gathered, so that a busy process writes a few times a second to each reader. */
const GATHER_MS = 50;
/** Events beyond this many within that time are dropped. */
const MOST_GATHERED = 1_000;
/** A reader that is further behind is cut off. */
const LONGEST_BACKLOG_BYTES = 1_048_576;

interface Subscriber extends StreamReader {
  readonly channel: Channel<Buffer>;
  waitingBytes: number;
}

/** The events of this process as frames of an event stream. Each is serialised once for all readers. */
@Injectable()
export class EventFrames {
  private readonly subscribers = new Set<Subscriber>();
  private gathered: ServiceDiscoveryEvent[] = [];
  private timer: Timer | undefined;
  private stopListening: (() => void) | undefined;

  constructor(
    @Inject(EventBus) private readonly bus: EventBus,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** The events from this call on; ends with the reader. */
  async *read(reader: StreamReader): AsyncGenerator<Buffer, void, undefined> {
    const channel = new Channel<Buffer>();
    const subscriber: Subscriber = { ...reader, channel, waitingBytes: 0 };
    const leave = (): void => channel.close();
    reader.signal.addEventListener('abort', leave, { once: true });
    if (reader.signal.aborted) leave();
    this.subscribers.add(subscriber);
    this.stopListening ??= this.bus.onAny((event) => this.gather(event));
    try {
      for await (const frames of channel) {
        subscriber.waitingBytes -= frames.length;
        yield frames;
      }
    } finally {
      reader.signal.removeEventListener('abort', leave);
      this.subscribers.delete(subscriber);
      if (this.subscribers.size === 0) this.rest();
    }
  }

  private gather(event: ServiceDiscoveryEvent): void {
    if (this.gathered.length < MOST_GATHERED) this.gathered.push(event);
    this.timer ??= this.clock.setTimer(() => this.send(), GATHER_MS, { keepAlive: false });
  }

  private send(): void {
    this.timer = undefined;
    const frames = Buffer.from(this.gathered.map((event) => frameOf(event.type, toEventView(event))).join(''));
    this.gathered = [];
    for (const subscriber of this.subscribers) {
      const isBehind = subscriber.waitingBytes > 0 && subscriber.waitingBytes + frames.length > LONGEST_BACKLOG_BYTES;
      if (isBehind) subscriber.cutOff();
      subscriber.waitingBytes += frames.length;
      subscriber.channel.push(frames);
    }
  }

  private rest(): void {
    this.stopListening?.();
    this.stopListening = undefined;
    this.timer?.cancel();
    this.timer = undefined;
    this.gathered = [];
  }
}
