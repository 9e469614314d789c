import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { answerOf, stop } from '../../support/child-process.js';
import { type Via } from '../contenders/catalog.js';
import { type Target } from '../contenders/contender.js';
import { haproxy } from './haproxy.js';
import { nginx } from './nginx.js';
import { Proxy, type ProxyProgram } from './proxy.js';

const MOST_INSTANCES = 100;

/** All that answers, in processes of their own; each is started when it is first called. */
export class Servers {
  private readonly children: ChildProcess[] = [];
  private readonly proxies: Proxy[] = [];
  private backends: Promise<readonly number[]> | undefined;

  /** @throws Error where what is between is not installed */
  async target(via: Via, instances: number, services: number): Promise<Target> {
    return { services, ports: await this.ports(via, instances) };
  }

  async stop(): Promise<void> {
    await Promise.all(this.proxies.map((proxy) => proxy.stop()));
    await Promise.all(this.children.map((child) => stop(child)));
  }

  private async ports(via: Via, instances: number): Promise<readonly number[]> {
    switch (via) {
      case 'backends':
        return this.httpPorts(instances);
      case 'nginx':
        return this.throughProxy(nginx, instances);
      case 'haproxy':
        return this.throughProxy(haproxy, instances);
      case 'moleculer':
        return this.fork('moleculer-nodes', instances);
    }
  }

  private async httpPorts(instances: number): Promise<readonly number[]> {
    this.backends ??= this.fork('backends', MOST_INSTANCES);
    return (await this.backends).slice(0, instances);
  }

  private async throughProxy(program: ProxyProgram, instances: number): Promise<readonly number[]> {
    const proxy = await Proxy.start(program, await this.httpPorts(instances));
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
