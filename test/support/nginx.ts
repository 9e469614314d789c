import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pollUntil } from './poll.js';

interface Place {
  /** The path that is taken off, with a slash at both ends. @default '/' */
  readonly location?: string;
  /** A port of this machine. */
  readonly listen?: number;
}

/** A real nginx that forwards to one port of this machine. It listens at a Unix socket, which needs no free port, and at `listen`. */
export class Nginx {
  private constructor(
    private readonly directory: string,
    private readonly child: ChildProcess,
  ) {}

  /** @param directives of its only location, beside `proxy_pass` */
  static async start(port: number, directives = '', { location = '/', listen }: Place = {}): Promise<Nginx> {
    const directory = await mkdtemp(join(tmpdir(), 'nginx-'));
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${directory}/${name};`)
      .join(' ');
    await writeFile(
      join(directory, 'nginx.conf'),
      `daemon off; master_process off; pid ${directory}/pid; events {}
      http { access_log off; ${temporary}
        server {
          listen unix:${directory}/socket; ${listen === undefined ? '' : `listen 127.0.0.1:${listen};`}
          location ${location} { proxy_pass http://127.0.0.1:${port}${location === '/' ? '' : '/'}; ${directives} }
        }
      }`,
    );
    const child = spawn(process.env.NGINX_BIN ?? 'nginx', [
      '-p',
      directory,
      '-e',
      'stderr',
      '-c',
      join(directory, 'nginx.conf'),
    ]);
    const nginx = new Nginx(directory, child);
    await pollUntil('nginx accepts connections', () => nginx.accepts());
    return nginx;
  }

  get socketPath(): string {
    return join(this.directory, 'socket');
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) {
      const ended = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      await ended;
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  private async accepts(): Promise<boolean> {
    if (this.child.exitCode !== null) throw new Error(`nginx ended with ${this.child.exitCode}`);
    const socket = connect(this.socketPath);
    try {
      await once(socket, 'connect');
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }
}
