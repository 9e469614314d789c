import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Answers every request with its name, after a moment, so that some are always in flight. */
const SERVER = `
const [name, port, delayMs] = process.argv.slice(1);
const body = JSON.stringify({ from: name });
const answer = (_request, response) => setTimeout(() => {
  response.writeHead(200, { 'content-type': 'application/json' }).end(body);
}, Number(delayMs));
const server = require('node:http').createServer(answer);
server.listen(Number(port), '127.0.0.1', () => process.send(server.address().port));
`;
const DELAY_MS = 20;

/** An instance of a service in a separate process. */
export class HttpInstance {
  port = 0;
  private child: ChildProcess | undefined;

  constructor(readonly name: string) {}

  /** Starts the process on its previous port. */
  async start(): Promise<void> {
    const args = ['-e', SERVER, this.name, `${this.port}`, `${DELAY_MS}`];
    this.child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const [port] = (await once(this.child, 'message')) as [number];
    this.port = port;
  }

  /** Resolves when the process has exited. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Stops the process: it accepts connections, and answers nothing. */
  stop(): void {
    this.child?.kill('SIGSTOP');
  }

  resume(): void {
    this.child?.kill('SIGCONT');
  }
}
