import { type Caller } from './caller.js';
import { type Journal } from './journal.js';
import { type LoadRequest } from './load.js';

let series = 0;

/** A POST that must be performed exactly once: the services record what they did by the id of each request. */
export class Posting implements LoadRequest {
  readonly name: string;
  private readonly acknowledged: string[] = [];
  private readonly request: LoadRequest;

  /** @param deeds the actions that the services record for one request */
  constructor(
    caller: Caller,
    service: string,
    path: string,
    private readonly deeds: readonly string[],
    more: object = {},
  ) {
    const prefix = `${process.pid}-${++series}`;
    this.request = caller.request(service, 'POST', path, (count) => ({ ...more, id: `${prefix}-${count}` }));
    this.name = this.request.name;
  }

  async send(count: number): ReturnType<LoadRequest['send']> {
    const body = await this.request.send(count);
    this.acknowledged.push(String(body.id));
    return body;
  }

  get done(): number {
    return this.acknowledged.length;
  }

  /** Acknowledged requests that were not performed, or more than once. */
  async faults(journal: Journal): Promise<string[]> {
    const faults: string[] = [];
    for (const deed of this.deeds) {
      const counts = await journal.countOf(deed);
      for (const id of this.acknowledged) if (!counts.has(id)) faults.push(`${deed} ${id} was never done`);
      for (const [id, count] of counts) if (count > 1) faults.push(`${deed} ${id} was done ${count} times`);
    }
    return faults;
  }
}
