const WIDTH = 110;

/** A value as TypeScript: names without quotes, texts in single ones, short lists and objects on one line. */
export function toTypeScript(value: unknown, indent = 0): string {
  const inline = toInline(value);
  if (inline.length + indent <= WIDTH && !inline.includes('\n')) return inline;
  const inner = ' '.repeat(indent + 2);
  const close = `\n${' '.repeat(indent)}`;
  if (Array.isArray(value)) {
    return `[${value.map((item) => `\n${inner}${toTypeScript(item, indent + 2)},`).join('')}${close}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const lines = entriesOf(value).map(
      ([name, item]) => `\n${inner}${toName(name)}: ${toTypeScript(item, indent + 2)},`,
    );
    return `{${lines.join('')}${close}}`;
  }
  return inline;
}

function toInline(value: unknown): string {
  if (typeof value === 'string') return toText(value);
  if (Array.isArray(value)) return `[${value.map(toInline).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = entriesOf(value).map(([name, item]) => `${toName(name)}: ${toInline(item)}`);
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

function entriesOf(value: object): [string, unknown][] {
  return Object.entries(value).filter(([, item]) => item !== undefined);
}

function toName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : toText(name);
}

function toText(text: string): string {
  const escaped = JSON.stringify(text).slice(1, -1);
  return `'${escaped.replaceAll("'", String.raw`\'`).replaceAll(String.raw`\"`, '"')}'`;
}
