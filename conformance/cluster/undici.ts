import { type IncomingMessage, type ServerResponse } from 'node:http';
import { BalancedPool, interceptors } from 'undici';
import { startServer, type HttpServer } from '../support/http-server.js';
import { Sendings, type ClusterPart, type ClusterParts, type ClusterSettings } from './cluster-part.js';

/**
 * Over real servers. A balanced pool only notices failed connections, so a broken instance that it has to exclude is
 * not listening; else it answers 503.
 */
async function undiciCluster({ ids, attempts, ejects }: ClusterSettings): Promise<ClusterPart> {
  const broken = new Set<string>();
  const sendings = new Sendings();
  const servers = new Map<string, HttpServer>();
  const idsByPort = new Map<number, string>();
  const start = async (id: string, port = 0): Promise<void> => {
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      sendings.note(request.url ?? '', id);
      response.writeHead(broken.has(id) ? 503 : 200).end(id);
    };
    const server = await startServer(answer, port);
    servers.set(id, server);
    idsByPort.set(server.port, id);
  };
  for (const id of ids) await start(id);
  const pool = new BalancedPool([...servers.values()].map(({ origin }) => origin));
  const client =
    attempts > 1 ? pool.compose(interceptors.retry({ maxRetries: attempts - 1, minTimeout: 1, maxTimeout: 1 })) : pool;
  return {
    async break(id) {
      broken.add(id);
      if (ejects) await servers.get(id)?.close();
    },
    async mend(id) {
      broken.delete(id);
      if (ejects) await start(id, servers.get(id)?.port);
    },
    async call(name) {
      const path = `/${name}`;
      try {
        const { statusCode, body } = await client.request({ method: 'GET', path });
        const id = await body.text();
        if (statusCode >= 500) throw new Error(`status ${statusCode}`);
        return id;
      } catch (error) {
        // No server recorded an attempt that could not be sent.
        const { code, port } = error as { code?: string; port?: number };
        if (code === 'ECONNREFUSED' && port !== undefined) sendings.note(path, idsByPort.get(port) ?? '');
        throw error;
      }
    },
    sentTo: (name) => sendings.of(`/${name}`),
    advance: async () => undefined,
    async close() {
      await pool.destroy();
      for (const server of servers.values()) await server.close();
    },
  };
}

export const undiciClusters: ClusterParts = { retrying: undiciCluster, ejecting: undiciCluster };
