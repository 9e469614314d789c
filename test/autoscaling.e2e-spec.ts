import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import { TriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1/TriggerAuthentication';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { parseAllDocuments } from 'yaml';
import { OPERATIONS } from '../libs/service-discovery/src/nest/rest/openapi/operations.js';
import { SCHEMAS } from '../libs/service-discovery/src/nest/rest/openapi/schemas.js';

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
}

type Model = new (data: never) => { validate(): void; toJSON(): object };

/** By the schemas that Kubernetes and KEDA publish. */
const MODELS: Readonly<Record<string, Model>> = { HorizontalPodAutoscaler, ScaledObject, TriggerAuthentication };

describe('the manifests of docs/autoscaling.md', () => {
  let manifests: Manifest[];
  beforeAll(async () => {
    const page = await readFile(join(import.meta.dirname, '../docs/autoscaling.md'), 'utf8');
    const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
    const all = blocks.flatMap((block) => parseAllDocuments(block).map((one) => one.toJS() as Manifest));
    manifests = all.filter(({ kind }) => kind !== undefined);
  });

  const of = (kind: string): Manifest => manifests.find((one) => one.kind === kind)!;
  const validate = (manifest: Manifest): void => new MODELS[manifest.kind]!(manifest as never).validate();

  it.each(Object.keys(MODELS))('have a %s that its published schema accepts', (kind) => {
    const manifest = of(kind);
    expect(manifest.apiVersion).toBe((MODELS[kind] as unknown as Manifest).apiVersion);
    expect(() => validate(manifest)).not.toThrow();
  });

  it.each([
    ['ScaledObject', { scaleTargetRef: {}, triggers: [] }],
    ['TriggerAuthentication', { secretTargetRef: [{ parameter: 'token' }] }],
    ['HorizontalPodAutoscaler', { scaleTargetRef: { kind: 'Deployment', name: 'a' }, maxReplicas: 'many' }],
  ])('are checked by schemas that refuse a wrong %s', (kind, spec) => {
    expect(() => validate({ ...of(kind), spec } as Manifest)).toThrow(/spec/);
  });

  it('ask KEDA to read a number that the API answers', () => {
    const { spec } = of('ScaledObject') as unknown as {
      readonly spec: { readonly triggers: readonly { readonly metadata: Readonly<Record<string, string>> }[] };
    };
    const [{ metadata }] = spec.triggers as [(typeof spec.triggers)[number]];
    expect(Object.keys(metadata).sort()).toEqual(['authMode', 'targetValue', 'url', 'valueLocation']);
    const [, path] = OPERATIONS.showScaling!.route.split(' ');
    expect(new URL(metadata.url!).pathname).toMatch(
      new RegExp(`^/service-discovery${path!.replace(':name', '[\\w-]+')}$`),
    );
    expect(SCHEMAS.Scaling.properties?.[metadata.valueLocation!]?.type).toBe('number');
  });
});
