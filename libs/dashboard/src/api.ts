import { signal } from '@preact/signals';

/** The page is at `…/service-discovery/ui`, whatever prefixes and proxies put before that. */
const API = new URL('.', document.baseURI);
const TOKEN_KEY = 'service-discovery:token';

/** An answer of the API that is an error. */
export class ApiError extends Error {
  constructor(
    /** 0: there was no answer. */
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Why the API asks for a token; undefined: it does not. */
export const tokenAsked = signal<string | undefined>(undefined);

/** Kept for this tab alone. An empty one forgets it. */
export function keepToken(token: string): void {
  if (token === '') sessionStorage.removeItem(TOKEN_KEY);
  else sessionStorage.setItem(TOKEN_KEY, token);
  tokenAsked.value = undefined;
}

export function hasToken(): boolean {
  return sessionStorage.getItem(TOKEN_KEY) !== null;
}

export type Query = Readonly<Record<string, string | number | undefined>>;

/** Segments of a path below the API's, each of which is encoded. */
export type Path = readonly string[];

/** The JSON text of an answer, which tells sooner than its value whether it has changed. */
export async function getText(path: Path, query: Query, signal: AbortSignal): Promise<string> {
  return (await request('GET', path, query, { signal })).text();
}

export async function put(path: Path, body: object): Promise<void> {
  await request('PUT', path, {}, { body: JSON.stringify(body) });
}

/** @throws ApiError for every answer but a success */
export async function request(method: string, path: Path, query: Query, init: RequestInit = {}): Promise<Response> {
  const url = new URL(path.map(encodeURIComponent).join('/'), API);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  const headers = new Headers(init.headers);
  const token = sessionStorage.getItem(TOKEN_KEY);
  if (token !== null) headers.set('authorization', `Bearer ${token}`);
  if (init.body != null) headers.set('content-type', 'application/json');
  let response: Response;
  try {
    response = await fetch(url, { ...init, method, headers, cache: 'no-store', redirect: 'error' });
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new ApiError(0, 'NO_ANSWER', 'The server does not answer.');
  }
  if (!response.ok) throw await toError(response);
  return response;
}

async function toError(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => undefined);
  const { code = '', message = '' } =
    (body as { error?: { code?: string; message?: string } } | undefined)?.error ?? {};
  const error = new ApiError(response.status, code, message || `The server answered ${response.status}.`);
  // The first answer says it; the others are cut off with what asked for them. A token that is wrong, or holds no longer, is forbidden.
  if (response.status === 401 || (code === 'FORBIDDEN' && hasToken())) tokenAsked.value ??= error.message;
  return error;
}
