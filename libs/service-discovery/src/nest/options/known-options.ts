import {
  type AnyOptionGroup,
  isRecord,
  OptionGroup,
  optional,
  type Problem,
  unchecked,
  unknownOption,
  withMaskedPassword,
} from '../../common/index.js';
import { COMMUNICATOR_OPTIONS, type PatternOverrides } from '../../communicator/index.js';
import { SERVICE_REGISTRY_OPTIONS } from '../../registry/index.js';
import { UNDICI_TRANSPORT_OPTIONS } from '../../transport/index.js';
import { MODULE_OPTIONS, type ServiceDiscoveryOptions } from './options.js';

/** Every option at the top level. */
export const TOP_LEVEL_OPTIONS: AnyOptionGroup = new OptionGroup('', {
  ...SERVICE_REGISTRY_OPTIONS.options,
  ...COMMUNICATOR_OPTIONS.options,
  /** Overrides of the built-in tier patterns, and custom patterns. @default `web`, `app`, `data`, `ml`, `monitoring` */
  patterns: optional(unchecked<PatternOverrides>({ range: 'options by name' })),
  ...MODULE_OPTIONS.options,
} satisfies Record<keyof ServiceDiscoveryOptions, unknown>);

/** Every group of options, by its path; empty: the top level. */
export const OPTION_GROUPS: Readonly<Record<string, AnyOptionGroup>> = {
  ...groupsIn('', TOP_LEVEL_OPTIONS),
  transport: UNDICI_TRANSPORT_OPTIONS.without('closeTimeout'),
};

function groupsIn(path: string, group: AnyOptionGroup): Record<string, AnyOptionGroup> {
  const inner = Object.entries(group.options).map(([name, option]) =>
    option.inner ? groupsIn(pathOf(path, name), option.inner) : {},
  );
  return Object.assign({ [path]: group }, ...inner) as Record<string, AnyOptionGroup>;
}

/** The path of an option in a group: `retry.maxAttempts`. */
export function pathOf(group: string, name: string): string {
  return group === '' ? name : `${group}.${name}`;
}

/** The names of a group's options; null if the name is not that of a group. */
export function namesIn(option: string): readonly string[] | null {
  const { options } = TOP_LEVEL_OPTIONS;
  return Object.hasOwn(options, option) ? (options[option]?.inner?.names ?? null) : null;
}

/** Options that belong elsewhere, by the path where users look for them. */
const ELSEWHERE: readonly (readonly [path: RegExp, where: string])[] = [
  [
    /^remote\.(?:registry)?_?(?:base)?_?(?:ur[il]|host(?:name)?|port|address|origin|endpoint)$/i,
    "the registry's address is registryUrl beside remote, { registryUrl: 'http://registry:3000' }",
  ],
  [
    /^(?:service_?)?name$/i,
    "a service has its name where it registers, @DiscoverableService({ name: 'user-service' }) on a provider or controller",
  ],
  [
    /^healthCheck\.(?:url|path|endpoint)$/,
    "each service has its own where it registers, @DiscoverableService({ healthCheckPath: '/health' })",
  ],
  [/^(?:useFactory|useClass|useExisting|inject|imports)$/, 'ServiceDiscoveryModule.forRootAsync takes it'],
  [/^(?:is)?Global$/i, 'the module is global as it is'],
];

function noOption(path: string, name: string, value: unknown, known: readonly string[], inGroups?: string[]): Problem {
  const problem = unknownOption(path, name, value, known, inGroups);
  const where = ELSEWHERE.find(([pattern]) => pattern.test(path))?.[1];
  if (where === undefined) return problem;
  return { path, value: withMaskedPassword(problem.value), expected: `no option of this name: ${where}` };
}

/** Names that are no options, such as misspelled ones, at both levels. */
export function findUnknownOptions(options: object): Problem[] {
  const { names } = TOP_LEVEL_OPTIONS;
  const inGroups = names.flatMap((name) =>
    (namesIn(name) ?? OPTION_GROUPS[name]?.names ?? []).map((own) => pathOf(name, own)),
  );
  return Object.entries(options).flatMap(([name, value]: [string, unknown]) => {
    if (!names.includes(name)) return [noOption(name, name, value, names, inGroups)];
    const inner = namesIn(name);
    if (!inner || !isRecord(value)) return [];
    return Object.entries(value)
      .filter(([key]) => !inner.includes(key))
      .map(([key, own]: [string, unknown]) => noOption(pathOf(name, key), key, own, inner));
  });
}
