import { type RegistryClient } from '../../client/index.js';
import { oneLine } from '../../common/index.js';
import { type Output } from '../output.js';
import { gather, type Evidence, type Question } from './evidence.js';
import { PROBLEMS } from './problems.js';
import { type DoctorFinding, type DoctorProblem, type DoctorQuestion } from './questions.js';

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

/** The questions that can be asked: about what is not registered, whether it is. */
function askable({ id, questions }: DoctorProblem, { view }: Evidence): readonly DoctorQuestion[] {
  if (view) return questions;
  return id === 'discovery' ? questions.slice(0, 1) : [];
}

function answersTo(problem: DoctorProblem, evidence: Evidence): Answer[] {
  return askable(problem, evidence).flatMap(({ title, findings = [] }) =>
    findings.flatMap((finding) => {
      const found = finding.found?.(evidence);
      return found === undefined ? [] : [{ problem, question: title, finding, found }];
    }),
  );
}

function print(out: Output, problem: DoctorProblem, evidence: Evidence, answers: readonly Answer[]): void {
  const questions = askable(problem, evidence);
  if (questions.length > 0) out.line(out.paint('bold', problem.title));
  for (const [index, { title: question, saw, findings = [] }] of questions.entries()) {
    if (!saw) continue;
    const isJudged = findings.some(({ found }) => found);
    const hit = answers.find((answer) => answer.problem === problem && answer.question === question);
    const isNeutral = hit ? hit.finding.byDesign : !isJudged;
    const mark = isNeutral ? '--' : hit ? out.paint('red', '!!') : out.paint('green', 'ok');
    const [first, ...more] = saw(evidence).split('\n');
    out.line(`  ${mark} ${index + 1}. ${question} ${plain(first ?? '')}`);
    for (const line of more) out.line(`        ${plain(line)}`);
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
    questions: problems.flatMap((problem) =>
      askable(problem, evidence).flatMap(({ title, saw }) =>
        saw ? [{ problem: problem.id, question: title, saw: saw(evidence) }] : [],
      ),
    ),
  };
}

/** Markdown as plain text, in one line and without control characters: names come from other processes. */
function plain(markdown: string): string {
  return oneLine(markdown.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', ''));
}
