import { type DoctorFinding, type DoctorProblem, type DoctorQuestion } from './questions.js';

/** The problems as sections of a page, with a numbered question each. */
export function toMarkdown(problems: readonly DoctorProblem[]): string {
  return problems
    .map(({ title, intro, questions }) => `## ${title}\n\n${intro}\n\n${questions.map(toItem).join('\n')}`)
    .join('\n');
}

function toItem({ title, how, sees = 'what you see', findings = [] }: DoctorQuestion, index: number): string {
  const head = `${index + 1}. **${title}** ${how}\n`;
  if (findings.length === 0) return head;
  const rows = [`| ${sees} | why | cure |`, '|---|---|---|', ...findings.map(toRow)];
  return `${head}\n${rows.map((row) => `   ${row}\n`).join('')}`;
}

function toRow({ see, why, cure }: DoctorFinding): string {
  return `| ${see} | ${why} |${cure === '' ? '' : ` ${cure}`} |`;
}
