import { type Random, seededRandom } from 'nest-service-discovery/core';
import { ClientProcess } from './client/client-process.js';
import { type Figures, type Load, type Times, type WarmUp } from './client/load.js';
import { CATALOG } from './contenders/catalog.js';
import { type LaneResult, type ScenarioResult } from './results.js';
import { keyOf, type Lane, type Scenario } from './scenarios.js';
import { type Servers } from './servers/servers.js';

export interface Effort {
  /** For a scenario of weight 1, without warm-up rounds. */
  readonly rounds: number;
  /** Per lane, sharing its rounds. The code that V8 generates differs between processes by a few percent. */
  readonly processes: number;
  readonly times: Times;
  /** For a new process. */
  readonly warmUp: WarmUp;
  readonly seed: number;
}

/** For each process at the start of each scenario, to adapt to another load. */
const UNCOUNTED_ROUNDS = 2;

/** Measures all scenarios, interleaving their lanes in a different order each round. */
export async function run(
  scenarios: readonly Scenario[],
  effort: Effort,
  servers: Servers,
  onScenario: (result: ScenarioResult) => void,
): Promise<ScenarioResult[]> {
  const random = seededRandom(effort.seed);
  const clients = new Clients(servers, effort.processes);
  const results: ScenarioResult[] = [];
  try {
    for (const [n, scenario] of scenarios.entries()) {
      const result = await runScenario(scenario, effort, clients, random);
      results.push(result);
      onScenario(result);
      await clients.keepOnly(scenarios.slice(n + 1).flatMap(({ lanes }) => lanes));
    }
  } finally {
    await clients.keepOnly([]);
  }
  return results;
}

async function runScenario(
  { load, lanes, weight, ...scenario }: Scenario,
  { rounds, processes, times, warmUp }: Effort,
  clients: Clients,
  random: Random,
): Promise<ScenarioResult> {
  const tracks = lanes.map((lane) => new Track(lane));
  const attempt = (track: Track, process: number, what: (client: ClientProcess) => Promise<void>): Promise<void> =>
    track.attempt(async () => what(clients.get(track.lane, process)));
  for (const track of tracks) await track.attempt(() => clients.start(track.lane, load, warmUp));
  // One set of processes after another: connections stay open between rounds.
  for (let process = 0; process < processes; process++) {
    for (let round = -UNCOUNTED_ROUNDS; round < (rounds * weight) / processes; round++) {
      for (const track of shuffled(tracks, random)) {
        await attempt(track, process, async (client) => {
          const figures = await client.round(load, times);
          if (round >= 0) track.rounds.push(figures);
        });
      }
    }
  }
  for (const track of tracks) {
    await attempt(track, 0, async (client) => {
      track.bytesPerCall = await client.allocations(load, times);
    });
  }
  return { scenario: { load, lanes, weight, ...scenario }, lanes: tracks.map((track) => track.result()) };
}

/** Results of a lane in one scenario. A lane that fails is not run again. */
class Track {
  readonly rounds: Figures[] = [];
  bytesPerCall: number | undefined;
  private missing: string | undefined;

  constructor(readonly lane: Lane) {}

  async attempt(what: () => Promise<void>): Promise<void> {
    if (this.missing !== undefined) return;
    try {
      await what();
    } catch (error) {
      this.missing = error instanceof Error ? error.message : String(error);
    }
  }

  result(): LaneResult {
    const { lane, missing, bytesPerCall } = this;
    return { lane, rounds: missing === undefined ? this.rounds : [], bytesPerCall, missing };
  }
}

/** Processes of lanes, kept across scenarios, so that each is started and warmed up once. */
class Clients {
  private readonly started = new Map<string, ClientProcess[]>();

  constructor(
    private readonly servers: Servers,
    private readonly perLane: number,
  ) {}

  /** Starts a lane's processes and warms them up, unless they are running. */
  async start(lane: Lane, load: Load, warmUp: WarmUp): Promise<void> {
    const { contender } = lane;
    if (this.started.has(keyOf(lane))) return;
    const target = await this.servers.target(CATALOG[contender].via, lane);
    const clients: ClientProcess[] = [];
    this.started.set(keyOf(lane), clients);
    for (let n = 0; n < this.perLane; n++) {
      const client = await ClientProcess.start(contender, target);
      clients.push(client);
      await client.warmUp(load, warmUp);
    }
  }

  /** One of the running processes of a lane. */
  get(lane: Lane, process: number): ClientProcess {
    return this.started.get(keyOf(lane))![process]!;
  }

  async keepOnly(lanes: readonly Lane[]): Promise<void> {
    const needed = new Set(lanes.map(keyOf));
    for (const [key, clients] of this.started) {
      if (needed.has(key)) continue;
      this.started.delete(key);
      for (const client of clients) await client.stop();
    }
  }
}

/** Fisher–Yates shuffle. */
function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}
