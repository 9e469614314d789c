import { type ApiRefusalReason, type ApiRight, type InstanceKey, type ServiceInstance } from '../../../model/index.js';
import { type Caller } from './caller.js';
import { type Identified } from './callers.js';
import { Rights } from './rights.js';

/** The argument of `api.authorize`. */
export interface AccessQuestion {
  readonly caller: Caller;
  /** The required right: see `may` of a rule. */
  readonly action: ApiRight;
  /** Undefined: all services that the caller may read. */
  readonly serviceName?: string;
  readonly instanceId?: string;
  /** The host of the instance, registered or about to be. */
  readonly host?: string;
  /** The address that the request came from. */
  readonly peer?: string;
}

/** The service, instance and host that a request concerns. */
export type AccessTarget = Pick<AccessQuestion, 'serviceName' | 'instanceId' | 'host'>;

/** The app's own decision, see `api.authorize`. */
export type Authorize = (question: AccessQuestion) => boolean | Promise<boolean>;

/** A request that is refused, for the answer and for the operator. */
export interface Refusal extends AccessTarget {
  readonly action: ApiRight;
  readonly reason: ApiRefusalReason;
  readonly caller?: Caller;
  readonly message: string;
}

export interface RequestAccessDeps {
  readonly authorize?: Authorize;
  /** The address that the request came from. */
  readonly peer?: string;
  /** Counts a refusal. @returns the error that answers the request */
  refuse(refusal: Refusal): Error;
}

/** Authorizes a request, given its authenticated caller. */
export class RequestAccess {
  private readonly rights: Rights;

  /**
   * @param identified undefined: a stranger
   * @param readsAreOpen whether the route is open to strangers
   */
  constructor(
    private readonly identified: Identified | undefined,
    private readonly readsAreOpen: boolean,
    private readonly deps: RequestAccessDeps,
  ) {
    const rights = identified?.rights ?? Rights.none;
    this.rights = readsAreOpen ? rights.withReading() : rights;
  }

  get caller(): Caller | undefined {
    return this.identified?.caller;
  }

  /** Whether no credential gives the sender any right, so that it may only read, where reads are open. */
  get isStranger(): boolean {
    return this.identified === undefined || this.identified.rights.areNone;
  }

  get readsEverything(): boolean {
    return this.rights.mayEverywhere('read');
  }

  mayRead(serviceName: string): boolean {
    return this.rights.may('read', serviceName);
  }

  /** Who acts, for the journal: the caller, after the name that a request gives. */
  actor(by: string | undefined): string {
    const id = nameOfCaller(this.caller);
    return by === undefined ? id : `${by} (${id})`;
  }

  /** Whether it is the caller who registered an instance. */
  owns({ owner }: Pick<ServiceInstance, 'owner'>): boolean {
    if (owner === undefined || !this.identified) return false;
    const { caller, formerIds = [] } = this.identified;
    return owner === caller.id || formerIds.includes(owner);
  }

  mayRegisterIn(serviceName: string): boolean {
    return this.rights.may('register', serviceName);
  }

  mayOperateOn(serviceName: string): boolean {
    return this.rights.may('operate', serviceName);
  }

  /** Whether there is a service that the caller may operate. */
  get operatesAnything(): boolean {
    return this.rights.mayAnywhere('operate');
  }

  /** @throws AccessError unless the caller may do something in all services */
  assertMayEverywhere(action: ApiRight): void {
    if (!this.rights.mayEverywhere(action)) throw this.noRight(action, {}, 'all services');
  }

  /**
   * What is the least that the caller needs before the instance is known.
   * @param serviceName undefined: any
   * @throws AccessError unless the caller may register instances, or operate those of others
   */
  assertMayWrite(serviceName: string | undefined): void {
    if (!this.has('operate', serviceName)) this.assertRight('register', { serviceName });
  }

  /** @throws AccessError unless the rules and `authorize` let the caller do it */
  async assertMay(action: ApiRight, target: AccessTarget): Promise<void> {
    this.assertRight(action, target);
    await this.assertAuthorized(action, target);
  }

  /**
   * @param current what is registered under the same id
   * @throws AccessError unless the caller may register an instance, and replace the one that is there
   */
  async assertMayRegister(target: InstanceKey & { readonly host: string }, current?: ServiceInstance): Promise<void> {
    this.assertRight('register', target);
    if (current) this.assertMayReplace(current);
    await this.assertAuthorized(current && !this.owns(current) ? 'operate' : 'register', target);
  }

  /** @throws AccessError unless an instance is the caller's own, or the caller may operate */
  assertMayReplace(current: InstanceKey & Pick<ServiceInstance, 'owner'>): void {
    const { serviceName } = current;
    if (this.mayOperateOn(serviceName) || (this.owns(current) && this.mayRegisterIn(serviceName))) return;
    throw this.notOwner(current);
  }

  /** @throws AccessError unless the rules and `authorize` let the caller renew, remove or set the status of an instance */
  async assertMayChange(
    instance: InstanceKey & Pick<ServiceInstance, 'owner'> & { readonly host?: string },
  ): Promise<void> {
    this.assertMayReplace(instance);
    await this.assertAuthorized(this.owns(instance) ? 'register' : 'operate', instance);
  }

  /**
   * @param instances of the service
   * @throws AccessError unless the caller registered one of them and may register, or may operate the service
   */
  async assertMayReport(
    serviceName: string,
    instances: readonly (InstanceKey & Pick<ServiceInstance, 'owner'>)[],
  ): Promise<void> {
    if (!this.mayOperateOn(serviceName) && !instances.some((instance) => this.owns(instance))) {
      throw this.noInstance(serviceName);
    }
    await this.assertMay('register', { serviceName });
  }

  /** Whether `authorize` lets the caller do what the rules let it do. */
  async isAuthorized(action: ApiRight, target: AccessTarget): Promise<boolean> {
    const { authorize, peer } = this.deps;
    const { caller } = this;
    if (!authorize || !caller || this.readsAreOpen) return true;
    return (await authorize({ caller, action, ...toTarget(target), peer })) === true;
  }

  /** Counts and logs that leases were left alone which are not the caller's. */
  reportForeignLeases(count: number): void {
    const { caller } = this;
    const message = `${nameOfCaller(caller)} may not renew ${count} of the leases that it sent, since other callers hold them.`;
    this.deps.refuse({ action: 'operate', reason: 'not_owner', caller, message });
  }

  private assertRight(action: ApiRight, target: AccessTarget): void {
    if (!this.has(action, target.serviceName)) throw this.noRight(action, target, target.serviceName ?? 'any service');
  }

  private has(action: ApiRight, serviceName: string | undefined): boolean {
    return serviceName === undefined ? this.rights.mayAnywhere(action) : this.rights.may(action, serviceName);
  }

  private async assertAuthorized(action: ApiRight, target: AccessTarget): Promise<void> {
    if (await this.isAuthorized(action, target)) return;
    const asked = toTarget(target);
    const { caller } = this;
    const message = `${nameOfCaller(caller)} may not ${action} ${nameOf(asked)}: the function \`api.authorize\` of the registry refuses it.`;
    throw this.deps.refuse({ ...asked, action, reason: 'authorize', caller, message });
  }

  private noRight(action: ApiRight, target: AccessTarget, what: string): Error {
    const { caller } = this;
    const message =
      `${nameOfCaller(caller)} may not ${action} ${what}. ` +
      `A rule of the registry's \`api.access\` that names this caller has to have \`may: ['${action}']\` for that service.`;
    return this.deps.refuse({ ...toTarget(target), action, reason: 'no_right', caller, message });
  }

  private noInstance(serviceName: string): Error {
    const { caller } = this;
    const message = `${nameOfCaller(caller)} may not report for ${serviceName}, since it has registered no instance of it.`;
    return this.deps.refuse({ serviceName, action: 'operate', reason: 'not_owner', caller, message });
  }

  private notOwner(instance: InstanceKey): Error {
    const { caller } = this;
    const { serviceName, instanceId } = instance;
    const message =
      `${nameOfCaller(caller)} may not change ${serviceName}/${instanceId}, since another caller registered it. ` +
      `Take another instance id, or have a caller do it whose rule in \`api.access\` has \`may: ['operate']\` for ${serviceName}.`;
    return this.deps.refuse({ serviceName, instanceId, action: 'operate', reason: 'not_owner', caller, message });
  }
}

function nameOfCaller(caller: Caller | undefined): string {
  return caller?.id ?? 'A caller without a credential';
}

function toTarget({ serviceName, instanceId, host }: AccessTarget): AccessTarget {
  return { serviceName, instanceId, host };
}

function nameOf({ serviceName, instanceId }: AccessTarget): string {
  return [serviceName ?? 'all services', instanceId].filter(Boolean).join('/');
}

const accesses = new WeakMap<object, RequestAccess>();

/**
 * What a request may do, once the guard of the API has been asked.
 * @param request the platform's own request object
 * @throws Error for a request that the guard was not asked about
 */
export function accessOf(request: object): RequestAccess {
  const access = accesses.get(request);
  if (!access) throw new Error('The guard of the REST API was not asked about this request');
  return access;
}

/** Who sent a request that was let in; undefined for a stranger, who may only read, where reads are open. */
export function callerOf(request: object): Caller | undefined {
  return accesses.get(request)?.caller;
}

export function setAccess(request: object, access: RequestAccess): void {
  accesses.set(request, access);
}
