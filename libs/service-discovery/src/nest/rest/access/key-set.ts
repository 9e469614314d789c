import { readFile } from 'node:fs/promises';
import type { createLocalJWKSet, JSONWebKeySet } from 'jose' with { 'resolution-mode': 'import' };
import { type Clock, durationText, messageOf, readUpTo } from '../../../common/index.js';

/** Maximum age of the keys, so that a key that the issuer has revoked stops being valid. */
const MAX_AGE_MS = 600_000;
/** Minimum time between reads caused by tokens with unknown keys. */
const REREAD_INTERVAL_MS = 30_000;
/** Minimum time between reads while there are no keys at all. */
const RETRY_INTERVAL_MS = 1_000;
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 1_048_576;

/** The issuer's keys cannot be read, so no token can be verified. */
export class KeysUnavailableError extends Error {}

/** Finds the key that a token names in its header. */
export type FindKey = ReturnType<typeof createLocalJWKSet>;

export interface KeySetDeps {
  readonly clock: Clock;
  readonly createLocalJWKSet: typeof createLocalJWKSet;
}

/**
 * The public keys of an issuer, from a URL or a file. Read at the first token, and again when they are too old or a token
 * names an unknown key. While they cannot be read, the previous ones stay valid.
 */
export class KeySet {
  private keys: FindKey | undefined;
  private readAt = Number.NEGATIVE_INFINITY;
  private triedAt = Number.NEGATIVE_INFINITY;
  private failure = '';
  private reading: Promise<void> | undefined;

  /** @param source a URL or the path of a file */
  constructor(
    private readonly source: string,
    private readonly deps: KeySetDeps,
  ) {}

  /**
   * The current keys.
   * @param lacksOne whether a token names a key that the last ones lack
   * @throws KeysUnavailableError
   */
  async current(lacksOne = false): Promise<FindKey> {
    const now = this.deps.clock.now();
    const isDue = lacksOne || now - this.readAt >= MAX_AGE_MS;
    const interval = this.keys ? REREAD_INTERVAL_MS : RETRY_INTERVAL_MS;
    if (isDue && !this.reading && now - this.triedAt >= interval) {
      this.triedAt = now;
      this.reading = this.read().finally(() => (this.reading = undefined));
    }
    if (isDue) await this.reading;
    if (this.keys) return this.keys;
    throw new KeysUnavailableError(`The keys of api.jwt.jwks (${this.source}) cannot be read: ${this.failure}`);
  }

  private async read(): Promise<void> {
    try {
      const text = /^https?:/i.test(this.source) ? await this.fetch() : await readFile(this.source, 'utf8');
      this.keys = this.deps.createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
      this.readAt = this.deps.clock.now();
    } catch (error) {
      this.failure = messageOf(error);
    }
  }

  private async fetch(): Promise<string> {
    const stop = new AbortController();
    const timer = this.deps.clock.setTimer(
      () => stop.abort(new Error(`no answer within ${durationText(TIMEOUT_MS)}`)),
      TIMEOUT_MS,
    );
    try {
      // A redirect could lead to a host that is not the issuer's.
      const response = await fetch(this.source, { redirect: 'error', signal: stop.signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const bytes = await readUpTo(response.body ?? [], MAX_BYTES);
      if (!bytes) throw new Error(`it is longer than ${MAX_BYTES} bytes`);
      return bytes.toString('utf8');
    } finally {
      timer.cancel();
    }
  }
}
