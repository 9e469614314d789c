import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { answerOf, stop } from '../../support/child-process.js';
import { type Via } from '../contenders/catalog.js';
import { type Target } from '../contenders/contender.js';
import { type Backends, type Lane } from '../scenarios.js';
import { haproxy } from './haproxy.js';
import { nginx } from './nginx.js';
import { Proxy, type ProxyProgram } from './proxy.js';

const MOST_INSTANCES = 100;

/** All servers, in separate processes that start on first use. */
export class Servers {
  private readonly children: ChildProcess[] = [];
  private readonly proxies: Proxy[] = [];
  private canned: Promise<readonly number[]> | undefined;
  private readonly ofNode: Promise<readonly number[]>[] = [];

  /** @throws Error if the proxy is not installed */
  async target(
    via: Via,
    { instances, services, backends }: Pick<Lane, 'instances' | 'services' | 'backends'>,
  ): Promise<Target> {
    return { services, ports: await this.ports(via, instances, backends) };
  }

  async stop(): Promise<void> {
    await Promise.all(this.proxies.map((proxy) => proxy.stop()));
    await Promise.all(this.children.map((child) => stop(child)));
  }

  private async ports(via: Via, instances: number, backends: Backends): Promise<readonly number[]> {
    switch (via) {
      case 'backends':
        return this.httpPorts(instances, backends);
      case 'nginx':
        return this.throughProxy(nginx, await this.httpPorts(instances, backends));
      case 'haproxy':
        return this.throughProxy(haproxy, await this.httpPorts(instances, backends));
      case 'moleculer':
        return this.fork('moleculer-nodes', instances);
    }
  }

  private async httpPorts(instances: number, backends: Backends): Promise<readonly number[]> {
    if (backends === 'node-http') {
      while (this.ofNode.length < instances) this.ofNode.push(this.fork('node-http', 1));
      return (await Promise.all(this.ofNode)).flat().slice(0, instances);
    }
    this.canned ??= this.fork('backends', MOST_INSTANCES);
    return (await this.canned).slice(0, instances);
  }

  private async throughProxy(program: ProxyProgram, backends: readonly number[]): Promise<readonly number[]> {
    const proxy = await Proxy.start(program, backends);
    this.proxies.push(proxy);
    return [proxy.port];
  }

  private fork(script: string, count: number): Promise<readonly number[]> {
    const path = fileURLToPath(new URL(`./${script}.js`, import.meta.url));
    const child = fork(path, [String(count)], { stdio: ['ignore', 2, 2, 'ipc'] });
    this.children.push(child);
    return answerOf(child, script);
  }
}
