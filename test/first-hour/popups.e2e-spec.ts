import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { LoadBalancingStrategy } from 'nest-service-discovery/core';
import ts from 'typescript';

const root = join(import.meta.dirname, '../..');
const entries = ['index', 'core'].map((name) => join(root, `libs/service-discovery/src/${name}.ts`));

/** The text that an editor shows, by exported name: for the name itself, and for each of its fields. */
class Popups {
  private readonly checker: ts.TypeChecker;
  private readonly exported: ReadonlyMap<string, ts.Symbol>;

  constructor() {
    const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file)) as {
      config: unknown;
    };
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
    const program = ts.createProgram(entries, options);
    this.checker = program.getTypeChecker();
    const exported = entries.flatMap((entry) => {
      const module = this.checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
      return this.checker.getExportsOfModule(module);
    });
    this.exported = new Map(exported.map((symbol) => [symbol.name, symbol]));
  }

  of(name: string): string {
    return this.textOf(this.find(name));
  }

  fieldsOf(name: string): Record<string, string> {
    const symbol = this.find(name);
    const type =
      symbol.flags & ts.SymbolFlags.Value
        ? this.checker.getTypeOfSymbol(symbol)
        : this.checker.getDeclaredTypeOfSymbol(symbol);
    return Object.fromEntries(type.getProperties().map((field) => [field.name, this.textOf(field)]));
  }

  private find(name: string): ts.Symbol {
    const symbol = this.exported.get(name)!;
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  /** Without tags such as the default. */
  private textOf(symbol: ts.Symbol): string {
    return ts.displayPartsToString(symbol.getDocumentationComment(this.checker)).replace(/\s+/g, ' ');
  }
}

/** Has words, not just a name. */
const SENTENCE = /^(?:\S+ ){3}/;

describe('the docs that an editor shows', () => {
  let popups: Popups;

  beforeAll(() => {
    popups = new Popups();
  }, 120_000);

  it.each(['ServiceDiscoveryOptions', 'ServiceDiscoveryEvents', 'LoadBalancingStrategy', 'ERROR_CODES'])(
    'has a sentence for everything in %s',
    (name) => {
      const fields = Object.entries(popups.fieldsOf(name));
      expect(fields.length).toBeGreaterThan(7);
      expect(fields.filter(([, text]) => !SENTENCE.test(text))).toEqual([]);
    },
  );

  it.each([
    'BuiltInTier',
    'CustomStrategies',
    'defineServiceDiscoveryOptions',
    'Duration',
    'ErrorCode',
    'EventName',
    'LoadBalancing',
    'PresetName',
    'ServiceCallRequest',
    'ServiceDiscoveryMode',
    'StrategyName',
    'Tier',
  ])('describe %s in a sentence', (name) => {
    expect(popups.of(name)).toMatch(SENTENCE);
  });

  it('describe each mode, strategy and tier where one is chosen', () => {
    const { mode, loadBalancing, pattern, preset } = popups.fieldsOf('ServiceDiscoveryOptions');
    for (const name of ['memory_only', 'redis_backed', 'hybrid', 'remote']) expect(mode).toContain(`\`${name}\`: `);
    for (const name of Object.values(LoadBalancingStrategy)) expect(loadBalancing).toContain(`\`${name}\``);
    for (const name of ['web', 'app', 'data', 'ml', 'monitoring']) {
      expect(pattern).toContain(`\`${name}\``);
      expect(popups.of('BuiltInTier')).toMatch(new RegExp(`\`${name}\` \\w+ \\w+`));
    }
    for (const name of ['development', 'testing', 'staging', 'production']) expect(preset).toContain(`\`${name}\``);
  });
});
