/** One call, the same for every contender: sends it and parses the JSON response. */
export interface CallRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Sent as JSON. */
  readonly json?: object;
  /** Key for hash strategies. */
  readonly key: string;
}

/** The target of a contender's calls. */
export interface Target {
  /** Ports of the instances at 127.0.0.1, or of the proxy in front of them. */
  readonly ports: readonly number[];
  /** How many services a registry contains; one of them is called. */
  readonly services: number;
}

/** A contender after setup, in the state of a user's process after startup. */
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

/** Round robin, for contenders without balancing. */
export function inTurn<T>(items: readonly T[]): () => T {
  let turn = -1;
  return () => items[(turn = (turn + 1) % items.length)]!;
}
