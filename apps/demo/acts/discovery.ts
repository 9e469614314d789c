import { getJson } from '../support/http.js';
import { type Stage } from '../support/stage.js';

interface Discovered {
  service_name: string;
  base_url: string;
  status: string;
  instance_id: string;
}

/** A client needs HTTP and the registry's token, and no library, to ask where a service is. */
export async function discovery(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const ask = async <T>(path: string): Promise<T> => {
    const answer = await getJson<T>(stage.registry(path), stage.authorization);
    print.exchange(`curl -H 'authorization: Bearer <token>' '<registry>/service-discovery${path}'`, answer);
    return answer;
  };

  const users = ['user-1', 'user-2', 'user-3'].map((name) => stage.process(name).instanceId);
  const found = await ask<Discovered>('/discover/user-service?version=^1.2&tag=user');
  claims.check(
    'discovery by name, version and tag names a running instance',
    users.includes(found.instance_id) && found.base_url === `http://${found.instance_id}` && found.status === 'healthy',
    found.base_url,
  );

  const unknown = await fetch(stage.registry('/discover/no-such-service'), { headers: stage.authorization });
  print.exchange("curl -H … '<registry>/service-discovery/discover/no-such-service'", await unknown.text());
  claims.check('an unregistered service is not found', unknown.status === 404, `status ${unknown.status}`);

  const stranger = await fetch(stage.registry('/services'), { headers: { authorization: 'Bearer guessed' } });
  claims.check('a client with a wrong token is refused', stranger.status === 403, `status ${stranger.status}`);
}
