const DEFAULT_BYTES = 200;

/** The size requested by `/<bytes>/...`. */
export function bytesOf(path: string): number {
  return Number.parseInt(path.slice(1), 10) || DEFAULT_BYTES;
}

/** A list of users with this size as JSON. */
export function bodyOf(bytes: number): object {
  const user = (n: number): object => ({ id: 1_000 + n, name: `user number ${1_000 + n}`, active: true, score: 12.5 });
  const body: { users: object[]; rest: string } = { users: [], rest: '' };
  const length = (value: object): number => JSON.stringify(value).length;
  const each = length([user(0), user(1)]) - length([user(0)]);
  const count = Math.max(1, Math.floor((bytes - length(body)) / each) - 1);
  // Equal widths, so that the length is known in advance.
  body.users = Array.from({ length: count }, (_, n) => user(n % 1_000));
  body.rest = 'x'.repeat(Math.max(0, bytes - length(body)));
  return body;
}
