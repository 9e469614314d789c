import { stat } from 'node:fs/promises';
import { type Clock, type Timer } from './clock.js';

/** How often files are looked at: polling sees what file events miss, such as the links of a Kubernetes secret. */
const POLL_MS = 5_000;
/** How long files have to stay as they are: a certificate and its key are rarely written at once. */
const SETTLE_MS = 1_000;

/** Looks at files from time to time, and tells when they have changed. Keeps no process alive. */
export class FilePoll {
  private timer: Timer | undefined;
  /** How the files looked when they were last read; undefined before that, and while they cannot be read. */
  private read: string | undefined;
  private seen: string | undefined;
  private isClosed = false;

  /**
   * @param onLook called at each look
   * @param onChange called when the files have changed, and stay as they are; returns whether they could be read, or else is
   *   called again at the next look
   */
  constructor(
    private readonly files: readonly string[],
    private readonly clock: Clock,
    private readonly onLook: () => void,
    private readonly onChange: () => boolean,
  ) {
    this.lookIn(POLL_MS);
  }

  close(): void {
    this.isClosed = true;
    this.timer?.cancel();
  }

  private lookIn(ms: number): void {
    this.timer = this.clock.setTimer(() => void this.look(), ms, { keepAlive: false });
  }

  private async look(): Promise<void> {
    const found = (await Promise.all(this.files.map(fingerprint))).join();
    if (this.isClosed) return;
    this.onLook();
    const isSettled = found === this.seen;
    this.seen = found;
    if (found === this.read) return this.lookIn(POLL_MS);
    if (!isSettled) return this.lookIn(SETTLE_MS);
    this.read = this.onChange() ? found : undefined;
    this.lookIn(POLL_MS);
  }
}

async function fingerprint(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs, ctimeMs } = await stat(file);
    return [ino, size, mtimeMs, ctimeMs].join(' ');
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
