import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the services of the shop have done, as recorded by them; survives their restarts. */
export class Journal {
  private constructor(private readonly directory: string) {}

  static async create(): Promise<Journal> {
    return new Journal(await mkdtemp(join(tmpdir(), 'shop-')));
  }

  /** Environment that tells a process of the shop where to write. */
  get env(): Record<string, string> {
    return { JOURNAL: this.file };
  }

  /** How often an action was performed, by the id of its request. */
  async countOf(deed: string): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    const text = await readFile(this.file, 'utf8').catch(() => '');
    for (const [done, id = ''] of text.split('\n').map((line) => line.split(' '))) {
      if (done === deed) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }

  remove(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true });
  }

  private get file(): string {
    return join(this.directory, 'journal');
  }
}
