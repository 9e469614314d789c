import { type Clock, OptionValidator, RegistryUnavailableError, withMaskedPassword } from '../../common/index.js';
import { gatewayAt, isShare } from '../../model/index.js';
import { Rounds } from '../rounds.js';
import { type ServiceRegistry } from '../service-registry.js';

/** How often the splits are checked. */
const INTERVAL_MS = 10_000;

/** The gateway of a service, with its initial share of the calls. */
export interface ListedGateway {
  readonly service: string;
  readonly url: string;
  /** Per cent. */
  readonly share: number;
}

/**
 * The gateways of a list of services.
 * @param path where the list stands, such as `services`
 * @throws InvalidConfigurationError naming everything that is wrong
 */
export function readListedGateways(services: unknown, path: string): readonly ListedGateway[] {
  const check = new OptionValidator();
  const listed = Array.isArray(services) ? (services as readonly Readonly<Record<string, unknown>>[]) : [];
  const gateways = listed.flatMap(({ name, via, share = 100 }, index): ListedGateway[] => {
    const at = `${path}[${index}]`;
    if (via === undefined && share !== 100) check.problem(`${at}.via`, via, 'the URL that the share goes through');
    if (via === undefined) return [];
    if (!gatewayAt('any', via)) {
      const expected =
        'the URL of a gateway, such as "http://kong:8000/users", without credentials, query and fragment';
      check.problem(`${at}.via`, withMaskedPassword(via), expected);
    }
    if (!isShare(share)) check.problem(`${at}.share`, share, 'the per cent of calls that go through via: 0 to 100');
    return [{ service: name as string, url: via as string, share: share as number }];
  });
  check.throwIfAny();
  return gateways;
}

interface ListedGatewaysDeps {
  readonly registry: Pick<ServiceRegistry, 'changeSplit' | 'follow' | 'snapshot'>;
  readonly clock: Clock;
  /** Called once for each gateway that the registry rejects. */
  readonly refused: (service: string, error: unknown) => void;
}

/**
 * Registers the gateways of the options. Their share is only the initial one: a share that was set at run time stays when
 * another process starts. A process that starts with a different address replaces the previous one.
 */
export class ListedGateways {
  private readonly rounds: Rounds;
  /** The gateways that this process has registered. */
  private readonly told = new Set<ListedGateway>();
  private readonly rejected = new Set<ListedGateway>();

  constructor(
    private readonly gateways: readonly ListedGateway[],
    private readonly deps: ListedGatewaysDeps,
  ) {
    this.rounds = new Rounds({ clock: deps.clock, run: () => this.tellAll(), delayMs: () => INTERVAL_MS });
  }

  /** Resolves after the first attempt; goes on trying in the background. Never rejects. */
  async start(): Promise<void> {
    if (this.gateways.length === 0) return;
    this.rounds.runNow();
    await this.rounds.running;
  }

  async close(): Promise<void> {
    this.rounds.stop();
    await this.rounds.running;
  }

  private async tellAll(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => this.tell(gateway)));
  }

  /** @throws RegistryUnavailableError */
  private async tell(gateway: ListedGateway): Promise<void> {
    const { registry, refused } = this.deps;
    const { service, url, share } = gateway;
    try {
      await registry.follow(service);
      if (!registry.snapshot.ready) throw new RegistryUnavailableError('The registry has not answered yet');
      await registry.changeSplit(service, (known) => {
        if (known?.via && (known.via.url === url || this.told.has(gateway))) return known;
        return { ...known, via: { url, share: known?.via?.share ?? share } };
      });
      this.told.add(gateway);
    } catch (error) {
      if (error instanceof RegistryUnavailableError) throw error;
      if (!this.rejected.has(gateway)) refused(service, error);
      this.rejected.add(gateway);
    }
  }
}
