import type { ServiceSnapshot } from '../core/api.ts';
import { type DependencyInstance, gate } from '../core/gate.ts';
import type { Edges } from '../core/graph.ts';
import type { GateVerdict } from '../core/machine.ts';
import { createRedactor, type Redactor } from '../core/redact.ts';
import {
  instanceId,
  type InstanceId,
  type OnDependencyFailure,
  type Project,
  type ServiceId,
  type ServiceSpec,
} from '../core/service.ts';
import type { InstanceRef } from '../core/state.ts';
import type { Supervisor } from './instance/supervisor.ts';

/** A project with what it was loaded under. */
export interface LoadedProject {
  readonly project: Project;
  readonly hostEnv: Readonly<Record<string, string>>;
  /** Values to mask wherever they appear. */
  readonly secrets: readonly string[];
}

export function redactorOf(loaded: LoadedProject): Redactor {
  return createRedactor({ patterns: loaded.project.redact, values: loaded.secrets });
}

export function edgesOf(specs: Iterable<ServiceSpec>): Edges {
  return new Map([...specs].map((spec) => [spec.id, spec.dependsOn.map((d) => d.service)]));
}

interface Dependent {
  readonly service: ServiceId;
  readonly onFailure: OnDependencyFailure;
  readonly pattern?: string;
}

/** The services as they are wanted now, their instances, and who depends on whom. */
export class Fleet {
  readonly #make: (ref: InstanceRef, spec: ServiceSpec) => Supervisor;
  readonly #supervisors = new Map<InstanceId, Supervisor>();
  #loaded: LoadedProject;
  #redactor: Redactor;
  #specs: ReadonlyMap<ServiceId, ServiceSpec> = new Map();
  #dependents: ReadonlyMap<ServiceId, readonly Dependent[]> = new Map();

  constructor(nothing: LoadedProject, make: (ref: InstanceRef, spec: ServiceSpec) => Supervisor) {
    this.#loaded = nothing;
    this.#redactor = redactorOf(nothing);
    this.#make = make;
  }

  get loaded(): LoadedProject {
    return this.#loaded;
  }

  get redactor(): Redactor {
    return this.#redactor;
  }

  get specs(): ReadonlyMap<ServiceId, ServiceSpec> {
    return this.#specs;
  }

  get size(): number {
    return this.#supervisors.size;
  }

  all(): readonly Supervisor[] {
    return [...this.#supervisors.values()];
  }

  get(id: InstanceId): Supervisor | undefined {
    return this.#supervisors.get(id);
  }

  of(service: ServiceId): readonly Supervisor[] {
    return this.all().filter((supervisor) => supervisor.ref.service === service);
  }

  /** From now on this is the project; what it does not hold any more stays until it is forgotten. */
  adopt(loaded: LoadedProject): void {
    this.#loaded = loaded;
    this.#redactor = redactorOf(loaded);
    const { services } = loaded.project;
    this.#specs = new Map(services.map((s) => [s.id, s]));
    const dependents = new Map<ServiceId, Dependent[]>();
    for (const spec of services) {
      for (const { service, onFailure, pattern } of spec.dependsOn) {
        const dependent = { service: spec.id, onFailure, ...(pattern === undefined ? {} : { pattern }) };
        dependents.set(service, [...(dependents.get(service) ?? []), dependent]);
      }
    }
    this.#dependents = dependents;
    for (const spec of services) {
      for (let number = 1; number <= spec.replicas; number += 1) {
        this.ensure({ id: instanceId(spec.id, number), service: spec.id, number }, spec);
      }
    }
    for (const service of dependents.keys()) for (const each of this.of(service)) each.lookAgain();
  }

  ensure(ref: InstanceRef, spec: ServiceSpec): Supervisor {
    const known = this.#supervisors.get(ref.id);
    if (known !== undefined) {
      known.setSpec(spec);
      return known;
    }
    const made = this.#make(ref, spec);
    this.#supervisors.set(ref.id, made);
    return made;
  }

  forget(id: InstanceId): void {
    this.#supervisors.get(id)?.dispose();
    this.#supervisors.delete(id);
  }

  dependents(service: ServiceId): readonly ServiceId[] {
    return (this.#dependents.get(service) ?? []).map((dependent) => dependent.service);
  }

  /** Those to which a failure of the service matters, and how. */
  concerned(
    service: ServiceId,
  ): readonly { readonly service: ServiceId; readonly then: 'restart' | 'stop' }[] {
    return (this.#dependents.get(service) ?? []).flatMap(({ service: id, onFailure }) =>
      onFailure === 'ignore' ? [] : [{ service: id, then: onFailure }],
    );
  }

  /** `log` patterns that dependents of the service wait for. */
  patterns(service: ServiceId): readonly string[] {
    const patterns = (this.#dependents.get(service) ?? []).flatMap(({ pattern }) => pattern ?? []);
    return [...new Set(patterns)];
  }

  isWanted(service: ServiceId): boolean {
    return this.of(service).some((s) => s.machine.wanted === 'up');
  }

  gate(ref: InstanceRef, waited: { readonly forMs: number; readonly wallNow: number }): GateVerdict {
    const dependsOn = this.#specs.get(ref.service)?.dependsOn ?? [];
    const lookup = (service: ServiceId): ReturnType<Fleet['instances']> | undefined =>
      this.#specs.has(service) ? this.instances(service) : undefined;
    return gate(dependsOn, lookup, waited);
  }

  /** A service's instances as the gate sees them. */
  instances(service: ServiceId): readonly DependencyInstance[] {
    return this.of(service).map((s) => ({
      state: s.stateForGates,
      wanted: s.machine.wanted,
      seen: s.seen,
      ...(s.unknown === undefined ? {} : { unknown: s.unknown }),
    }));
  }

  /** The chosen ones, and all that they run on and that needs to be started for it. */
  withDependencies(chosen: readonly Supervisor[]): readonly Supervisor[] {
    const services = new Set(chosen.map((s) => s.ref.service));
    for (const id of services) for (const d of this.#specs.get(id)?.dependsOn ?? []) services.add(d.service);
    const direct = new Set(chosen);
    return this.all().filter((s) => direct.has(s) || (services.has(s.ref.service) && needsStart(s)));
  }

  snapshots(): readonly ServiceSnapshot[] {
    const byService = new Map<ServiceId, Supervisor[]>();
    for (const id of this.#specs.keys()) byService.set(id, []);
    for (const supervisor of this.#supervisors.values()) {
      const list = byService.get(supervisor.ref.service) ?? [];
      list.push(supervisor);
      byService.set(supervisor.ref.service, list);
    }
    return [...byService]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([id, list]) => {
        const spec = this.#specs.get(id) ?? list[0]?.spec;
        return spec === undefined ? [] : [this.#snapshot(spec, list)];
      });
  }

  #snapshot(spec: ServiceSpec, list: readonly Supervisor[]): ServiceSnapshot {
    return {
      id: spec.id,
      ...(spec.description === undefined ? {} : { description: spec.description }),
      labels: spec.labels,
      backend: spec.launch.backend,
      backendReason: spec.backendReason,
      replicas: spec.replicas,
      dependsOn: spec.dependsOn,
      inManifest: this.#specs.has(spec.id),
      instances: [...list].sort((a, b) => a.ref.number - b.ref.number).map((s) => s.snapshot()),
      restart: spec.restart.policy,
      backoff: spec.backoff,
      ...(spec.schedule === undefined ? {} : { schedule: spec.schedule.when }),
      ...(spec.watch === undefined ? {} : { watch: spec.watch.paths }),
      ...inputOf(spec),
    };
  }
}

function inputOf({ launch }: ServiceSpec): Pick<ServiceSnapshot, 'input'> {
  if (launch.tty === true) return { input: 'tty' };
  return launch.stdin === undefined ? {} : { input: launch.stdin };
}

function needsStart(supervisor: Supervisor): boolean {
  const { kind } = supervisor.state;
  return kind === 'stopped' || kind === 'failed' || kind === 'skipped';
}
