import { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, type Timer } from './clock.js';
import { describeProblem, InvalidConfigurationError, messageOf } from './errors.js';
import { Listeners } from './listeners.js';
import { namesService } from './tls-identity.js';
import {
  type Pem,
  readAgain,
  type TlsByService,
  type TlsMaterial,
  type TlsSettings,
  toTlsSettings,
  USUAL_TLS,
} from './tls-options.js';
import { OptionValidator } from './validation.js';

/** What a certificate is presented for. */
export type TlsUse = 'calls' | 'health_checks' | 'registry';

/** What happens to certificates. `certificate` is the file, or the subject of one that is given as PEM. */
export interface TlsEvents {
  /** The files of a certificate, or of its authorities, changed: new connections use the new ones. `validUntil` is in milliseconds since the Unix epoch. */
  'tls.rotated': { use: TlsUse; certificate: string; validUntil?: number };
  /** The files changed and cannot be used; the certificate in use is kept, and they are read again every 5 s. */
  'tls.rotation_failed': { use: TlsUse; certificate: string; reason: string };
  /** A certificate expires soon: at most a tenth of its lifetime, and no more than 14 days, are left. */
  'tls.expiring': { use: TlsUse; certificate: string; validUntil: number };
}

/** The part of an `EventSink` that certificates need. */
interface TlsEventSink {
  emit<Name extends keyof TlsEvents>(type: Name, payload: TlsEvents[Name]): void;
}

export interface ServiceTlsDeps {
  readonly clock: Clock;
  /** @default none */
  readonly events?: TlsEventSink;
  readonly use: TlsUse;
}

const EXPIRY_WARNING = { share: 0.1, longestMs: 14 * 86_400_000 };

/** The TLS settings of connections to each service, with the certificates that are in their files now. */
export class ServiceTls {
  private material: TlsByService;
  private all: TlsSettings;
  private services: ReadonlyMap<string, TlsSettings>;
  private readonly rotations = new Listeners<[]>();
  private readonly poll: FilePoll | undefined;
  /** The problem that was reported, until the files can be used. */
  private reported: string | undefined;
  private readonly warned = new Set<string>();

  constructor(
    material: TlsByService = USUAL_TLS,
    private readonly deps: ServiceTlsDeps,
  ) {
    this.material = material;
    this.all = toTlsSettings(material.all);
    this.services = new Map([...material.services].map(([name, tls]) => [name, toTlsSettings(tls, name)]));
    const pems = this.materials().flatMap(pemsOf);
    const files = [...new Set(pems.flatMap(({ file }) => file ?? []))];
    if (files.length === 0 && !this.materials().some(({ cert }) => cert)) return;
    this.poll = new FilePoll(
      files,
      deps.clock,
      () => this.warnOfExpiry(),
      () => this.reload(),
    );
  }

  /** Settings for what is no service. */
  get settings(): TlsSettings {
    return this.all;
  }

  of(serviceName: string): TlsSettings {
    const own = this.services.get(serviceName);
    if (own || !this.namesService) return own ?? this.all;
    return { ...this.all, ...toTlsSettings({ identity: this.material.all.identity }, serviceName) };
  }

  /** Whether a service has settings of its own, and so does not share connections with others at the same origin. */
  isOwn(serviceName: string): boolean {
    return this.services.has(serviceName) || this.namesService;
  }

  /**
   * Calls `listener` after certificates or authorities have changed: connections that were opened before should end when
   * their requests have.
   */
  onRotated(listener: () => void): void {
    this.rotations.add(listener);
  }

  /** Stops reading files again. */
  close(): void {
    this.poll?.close();
    this.rotations.clear();
  }

  private get namesService(): boolean {
    return namesService(this.material.all.identity ?? []);
  }

  private materials(): TlsMaterial[] {
    return [this.material.all, ...this.material.services.values()];
  }

  /** @returns whether the files can be used */
  private reload(): boolean {
    try {
      this.rotateTo(this.readFiles());
      this.reported = undefined;
      return true;
    } catch (error) {
      this.reportFailure(
        error instanceof InvalidConfigurationError ? describeProblem(error.problems[0]!) : messageOf(error),
      );
      return false;
    }
  }

  private readFiles(): TlsByService {
    const { all, services } = this.material;
    const check = new OptionValidator();
    const read = {
      all: readAgain(check, 'tls', all),
      services: new Map(
        [...services].map(([name, material]) => [name, readAgain(check, `tls.services.${name}`, material)]),
      ),
    };
    check.throwIfAny();
    return read;
  }

  private rotateTo(next: TlsByService): void {
    const before = this.material;
    if (isDeepStrictEqual(next, before)) return;
    const old = new Set(this.materials().map(textOf));
    const all = isDeepStrictEqual(next.all, before.all) ? this.all : toTlsSettings(next.all);
    this.services = new Map(
      [...next.services].map(([name, tls]) => {
        const isSame = isDeepStrictEqual(tls, before.services.get(name));
        return [name, isSame ? this.services.get(name)! : toTlsSettings(tls, name)];
      }),
    );
    this.all = all;
    this.material = next;
    const changed = this.materials().filter((material) => !old.has(textOf(material)));
    for (const [certificate, { cert }] of byCertificate(changed)) {
      this.emit('tls.rotated', { certificate, validUntil: cert && validityOf(cert).until });
    }
    this.rotations.call();
    this.warnOfExpiry();
  }

  private reportFailure(reason: string): void {
    if (reason === this.reported) return;
    this.reported = reason;
    const [certificate = ''] = byCertificate(this.materials()).keys();
    this.emit('tls.rotation_failed', { certificate, reason });
  }

  /** Once for each certificate. */
  private warnOfExpiry(): void {
    for (const [certificate, { cert }] of byCertificate(this.materials())) {
      if (!cert || this.warned.has(cert.text)) continue;
      const { from, until } = validityOf(cert);
      const { share, longestMs } = EXPIRY_WARNING;
      if (until - this.deps.clock.epoch() > Math.min((until - from) * share, longestMs)) continue;
      this.warned.add(cert.text);
      this.emit('tls.expiring', { certificate, validUntil: until });
    }
  }

  private emit<Name extends keyof TlsEvents>(type: Name, payload: Omit<TlsEvents[Name], 'use'>): void {
    this.deps.events?.emit(type, { use: this.deps.use, ...payload } as TlsEvents[Name]);
  }
}

function pemsOf({ ca = [], cert, key }: TlsMaterial): Pem[] {
  return [...ca, cert, key].filter((pem) => pem !== undefined);
}

function textOf(material: TlsMaterial): string {
  return pemsOf(material)
    .map(({ text }) => text)
    .join('\n');
}

/** Those that hold certificates, by the name of the one that is presented, or of the authorities. */
function byCertificate(materials: readonly TlsMaterial[]): Map<string, TlsMaterial> {
  const named = materials.flatMap((material) => {
    const [pem] = [material.cert ?? [], material.ca ?? []].flat();
    return pem ? [[pem.file ?? subjectOf(pem), material] as const] : [];
  });
  return new Map(named);
}

function subjectOf({ text }: Pem): string {
  return new X509Certificate(text).subject.replaceAll('\n', ', ');
}

function validityOf({ text }: Pem): { readonly from: number; readonly until: number } {
  const { validFrom, validTo } = new X509Certificate(text);
  return { from: Date.parse(validFrom), until: Date.parse(validTo) };
}

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
