import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, type YAMLMap } from 'yaml';
import { type Environment, fillPlaceholders } from './placeholders.js';
import { type KongPlace, type ProblemList } from './problems.js';

type KongScalar = string | number | boolean | null;
export type KongFields = ReadonlyMap<string, KongNode>;
type KongValue = KongScalar | readonly KongNode[] | KongFields;

/** Deeper than any configuration; an alias that leads back to itself has no end. */
const MAX_LEVELS = 64;
/** More values than any real file has: aliases of aliases multiply. */
const MAX_NODES = 5_000_000;

/** A value of a file that knows where it stands. */
export class KongNode {
  constructor(
    readonly value: KongValue,
    private readonly file: SourceFile,
    private readonly offset: number,
    /** Where its name stands; the value itself in a list. */
    private readonly nameOffset: number,
    /** A number as it is written, such as `3.0`. */
    readonly source?: string,
  ) {}

  get place(): KongPlace {
    return this.file.placeAt(this.offset);
  }

  /** Where the field begins. */
  get namePlace(): KongPlace {
    return this.file.placeAt(this.nameOffset);
  }

  get isNull(): boolean {
    return this.value === null;
  }

  get fields(): KongFields | undefined {
    return this.value instanceof Map ? (this.value as KongFields) : undefined;
  }

  get items(): readonly KongNode[] | undefined {
    return Array.isArray(this.value) ? (this.value as readonly KongNode[]) : undefined;
  }

  /** As plain JSON. */
  toJson(): unknown {
    if (this.items) return this.items.map((item) => item.toJson());
    if (this.fields) return Object.fromEntries([...this.fields].map(([name, node]) => [name, node.toJson()]));
    return this.value;
  }
}

/** A file of Kong, decK or `kong config db_export`, as text. */
export interface KongSource {
  /** How reports and errors name it. */
  readonly file: string;
  readonly text: string;
}

/**
 * Parses YAML or JSON, after its placeholders are filled in. By the rules of YAML 1.1, as Kong and decK do, where `yes`
 * is true.
 * @returns undefined if the file is empty, or wrong, which `problems` tells
 */
export function parseSource(source: KongSource, env: Environment, problems: ProblemList): KongNode | undefined {
  const file = new SourceFile(source, env, problems);
  const documents = parseAllDocuments(file.text, {
    version: '1.1',
    lineCounter: file.lines,
    prettyErrors: false,
    uniqueKeys: true,
  });
  if (!Array.isArray(documents)) return undefined;
  const [first, second] = documents;
  for (const { errors } of documents) {
    for (const { pos, message } of errors) problems.add(file.placeAt(pos[0]), message);
  }
  if (second?.contents) {
    problems.add(file.placeAt(second.range[0]), 'a second document: Kong reads only the first one of a file');
  }
  if (!first?.contents || first.errors.length > 0) return undefined;
  return new Conversion(file, (alias) => (isAlias(alias) ? alias.resolve(first) : undefined), problems).convert(
    first.contents,
  );
}

class SourceFile {
  readonly lines = new LineCounter();
  readonly text: string;
  private readonly name: string;
  private readonly originalOffset: (offset: number) => number;
  private readonly originalLines: LineCounter;

  constructor({ file, text }: KongSource, env: Environment, problems: ProblemList) {
    const filled = fillPlaceholders(text, env, file, problems);
    this.name = file;
    this.text = filled.text;
    this.originalOffset = (offset) => filled.originalOffset(offset);
    this.originalLines = filled.text === text ? this.lines : linesOf(text);
  }

  placeAt(offset: number): KongPlace {
    const { line, col } = this.originalLines.linePos(this.originalOffset(offset));
    return { file: this.name, line: Math.max(1, line), column: Math.max(1, col) };
  }
}

function linesOf(text: string): LineCounter {
  const counter = new LineCounter();
  counter.addNewLine(0);
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) counter.addNewLine(at + 1);
  return counter;
}

/** Turns the nodes of the parser into ours: aliases resolved, merge keys applied. */
class Conversion {
  private nodes = 0;
  private isTooMuch = false;

  constructor(
    private readonly file: SourceFile,
    private readonly resolve: (alias: Node) => Node | undefined,
    private readonly problems: ProblemList,
  ) {}

  convert(node: Node | null, nameOffset?: number, level = 0): KongNode {
    const offset = node?.range?.[0] ?? nameOffset ?? 0;
    const place = [this.file, offset, nameOffset ?? offset] as const;
    if (++this.nodes > MAX_NODES || level > MAX_LEVELS) {
      if (!this.isTooMuch) this.problems.add(this.file.placeAt(offset), 'too many values, or nested too deeply');
      this.isTooMuch = true;
    }
    if (node === null || this.isTooMuch) return new KongNode(null, ...place);
    if (isAlias(node)) return this.convert(this.resolve(node) ?? null, nameOffset ?? offset, level + 1);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.convert(item as Node | null, undefined, level + 1));
      return new KongNode(items, ...place);
    }
    if (isMap(node)) return new KongNode(this.fieldsOf(node, level), ...place);
    if (!isScalar(node)) return new KongNode(null, ...place);
    return new KongNode(toScalar(node.value), ...place, node.source);
  }

  private fieldsOf({ items }: YAMLMap, level: number): Map<string, KongNode> {
    const own = new Map<string, KongNode>();
    const merged = new Map<string, KongNode>();
    for (const pair of items) {
      if (!isPair(pair) || !isScalar(pair.key)) continue;
      const { key } = pair;
      const value = this.convert(pair.value as Node | null, key.range?.[0], level + 1);
      if (key.source !== '<<') {
        own.set(String(key.value), value);
        continue;
      }
      for (const from of value.items ?? [value]) {
        for (const [name, field] of from.fields ?? []) if (!merged.has(name)) merged.set(name, field);
      }
    }
    return new Map([...merged, ...own]);
  }
}

function toScalar(value: unknown): KongScalar {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value;
  }
  // Dates and large numbers, which no field of Kong has.
  return value instanceof Date ? value.toISOString() : typeof value === 'bigint' ? `${value}` : null;
}
