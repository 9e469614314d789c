import { type RegistryClient } from '../../client/index.js';
import { oneLine } from '../../common/index.js';
import { type Output } from '../output.js';
import { gather, type Evidence, type Question } from './evidence.js';
import { PROBLEMS } from './problems.js';
import { type DoctorFinding, type DoctorProblem } from './questions.js';

export { toMarkdown } from './markdown.js';
export { PROBLEMS } from './problems.js';

/** An answer that explains a problem. */
interface Answer {
  readonly problem: DoctorProblem;
  readonly question: string;
  readonly finding: DoctorFinding;
  /** What was seen. */
  readonly found: string;
}

/**
 * Asks the questions of the four problems in their order, and tells the first cause, with its cure.
 * @param only the problem to look at; undefined: all, and what is meant to be so is no cause
 * @returns 1 if a cause was found
 * @throws RegistryUnavailableError
 */
export async function diagnose(
  registry: RegistryClient,
  out: Output,
  service: string,
  question: Question,
  only: string | undefined,
): Promise<0 | 1> {
  const evidence = await gather(registry, service, question);
  const problems = PROBLEMS.filter(({ id }) => only === undefined || id === only);
  const answers = problems.flatMap((problem) => answersTo(problem, evidence));
  const meant = (answer: Answer): boolean => only !== undefined || !answer.finding.byDesign;
  const cause =
    answers.find((answer) => meant(answer) && !answer.finding.leadsOn) ?? answers.find((answer) => meant(answer));
  out.show(toJson(evidence, problems, cause), () => {
    for (const problem of problems) print(out, problem, evidence, answers);
    out.line();
    if (cause) printCause(out, cause, evidence);
    else
      out.line(
        out.paint('green', `Nothing is wrong with ${service}, as far as ${registry.url} and this machine see it.`),
      );
  });
  return cause ? 1 : 0;
}

function answersTo(problem: DoctorProblem, evidence: Evidence): Answer[] {
  // Of what is not registered there is nothing else to ask.
  const questions = evidence.view ? problem.questions : problem.questions.slice(0, problem.id === 'discovery' ? 1 : 0);
  return questions.flatMap(({ title, findings = [] }) =>
    findings.flatMap((finding) => {
      const found = finding.found?.(evidence);
      return found === undefined ? [] : [{ problem, question: title, finding, found }];
    }),
  );
}

function print(
  out: Output,
  { title, questions, id }: DoctorProblem,
  evidence: Evidence,
  answers: readonly Answer[],
): void {
  if (!evidence.view && id !== 'discovery') return;
  out.line(out.paint('bold', title));
  for (const { title: question, saw } of questions) {
    if (!saw || (!evidence.view && question !== questions[0]?.title)) continue;
    const hit = answers.find((answer) => answer.problem.id === id && answer.question === question);
    const mark = !hit ? out.paint('green', 'ok') : hit.finding.byDesign ? '--' : out.paint('red', '!!');
    const [first, ...more] = saw(evidence).split('\n');
    out.line(`  ${mark} ${question} ${plain(first ?? '')}`);
    for (const line of more) out.line(`     ${plain(line)}`);
  }
}

function printCause(out: Output, { problem, finding, found }: Answer, evidence: Evidence): void {
  out.line(`${out.paint('bold', 'Cause:')} ${plain(found)}`);
  out.line(`  ${plain(finding.why)}`);
  if (finding.cure !== '') out.line(`${out.paint('bold', 'Cure:')} ${plain(finding.cure)}`);
  const command = finding.mend?.(evidence);
  if (command !== undefined) out.line(`  ${command}`);
  out.line(out.paint('dim', `docs/troubleshooting.md, "${problem.title}"`));
}

function toJson(evidence: Evidence, problems: readonly DoctorProblem[], cause: Answer | undefined): object {
  const { service, url } = evidence;
  return {
    service_name: service,
    asked: url,
    cause: cause
      ? {
          problem: cause.problem.id,
          question: cause.question,
          found: cause.found,
          why: plain(cause.finding.why),
          cure: plain(cause.finding.cure),
          command: cause.finding.mend?.(evidence) ?? null,
        }
      : null,
    questions: problems.flatMap(({ id, questions }) =>
      questions.flatMap(({ title, saw }) =>
        saw && evidence.view ? [{ problem: id, question: title, saw: saw(evidence) }] : [],
      ),
    ),
  };
}

/** Markdown as plain text, in one line and without control characters: names come from other processes. */
function plain(markdown: string): string {
  return oneLine(markdown.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', ''));
}
