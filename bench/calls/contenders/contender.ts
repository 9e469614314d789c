/** One call, the same for every contender: it is made, and the JSON of its answer is read. */
export interface CallRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Sent as JSON. */
  readonly json?: object;
  /** Whom the call is about; hash strategies go by it. */
  readonly key: string;
}

/** What a contender calls. */
export interface Target {
  /** Ports of the instances at 127.0.0.1, or of the proxy before them. */
  readonly ports: readonly number[];
  /** How many services a registry knows; one of them is called. */
  readonly services: number;
}

/** A contender that is set up: as a user's process would be after its start. */
export interface Caller {
  /** Resolves with the parsed JSON of the answer. */
  call(request: CallRequest): Promise<unknown>;
  close(): Promise<unknown>;
}

/** One way to call services, as its users would write it. */
export interface Contender {
  setup(target: Target): Promise<Caller>;
}

export const originsOf = ({ ports }: Target): string[] => ports.map((port) => `http://127.0.0.1:${port}`);

/** The items in turn: the balancing of those who have none. */
export function inTurn<T>(items: readonly T[]): () => T {
  let turn = -1;
  return () => items[(turn = (turn + 1) % items.length)]!;
}
