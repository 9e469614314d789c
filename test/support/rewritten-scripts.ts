import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';

type Command = Parameters<Redis['sendCommand']>[0];

const UNKNOWN = '0'.repeat(40);
const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex');

/** A Redis that rewrites the scripts that it is given. */
export abstract class RewrittenScripts extends Redis {
  /** SHA-1 of the original script → of the script as it runs here. */
  private readonly known = new Map<string, string>();

  protected abstract rewrite(source: string): string;

  override sendCommand(command: Command, stream?: never): unknown {
    const args = command.args as string[];
    if (command.name === 'script' && args[0]?.toUpperCase() === 'LOAD') {
      const source = this.rewrite(args[1]!);
      this.known.set(sha1(args[1]!), sha1(source));
      args[1] = source;
    } else if (command.name === 'evalsha') {
      // A script that another client loaded in its original form must not run here.
      args[0] = this.known.get(args[0]!) ?? UNKNOWN;
    }
    return super.sendCommand(command, stream);
  }
}
