import { getJson } from '../support/http.js';
import { type Stage } from '../support/stage.js';
import { waitFor } from '../support/wait.js';

interface Recommendations {
  personal: boolean;
  servedBy: string;
}

/** While the recommendation service is gone, its backup answers; afterwards it answers itself again. */
export async function fallback(stage: Stage): Promise<void> {
  const { print, claims } = stage;
  const ask = (): Promise<Recommendations> => getJson<Recommendations>(stage.shop('/users/1/recommendations'));
  const show = (answer: Recommendations): void => {
    print.exchange("curl '<gateway>/shop/users/1/recommendations'", answer);
  };

  const before = await ask();
  show(before);
  const primary = stage.process('recommendation-1');
  print.say(`recommendation-1 (pid ${primary.pid}) gets SIGKILL`);
  primary.kill('SIGKILL');
  await primary.ended;
  const during = await ask();
  show(during);
  claims.check(
    'the very next call is answered by the fallback service',
    before.servedBy === 'recommendation-1' && during.servedBy === 'backup-1',
    `by ${during.servedBy}`,
  );

  await stage.startAgain('recommendation-1');
  print.say('recommendation-1 is started again');
  const after = await waitFor('recommendation-1 to answer again', async () => {
    const answer = await ask();
    return answer.servedBy === 'recommendation-1' ? answer : undefined;
  });
  show(after);
  claims.check('it answers again once it has registered', after.personal, `by ${after.servedBy}`);
}
