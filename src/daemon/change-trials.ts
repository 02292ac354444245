import type { FailedChange } from '../core/api.ts';
import { canonicalJson } from '../core/fingerprint.ts';
import type { PlanView } from '../core/plan-view.ts';
import { beginTrial, judge, type Trial } from '../core/reload.ts';
import type { InstanceId, Project, ServiceId, ServiceSpec } from '../core/service.ts';
import { isReady } from '../core/state.ts';
import type { Cause, ChangeFailure } from '../core/event.ts';
import type { Supervisor } from '../engine/instance/supervisor.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';

/** Of the engine. */
export interface TrialEngine {
  supervisors(): Iterable<Pick<Supervisor, 'ref' | 'spec' | 'state' | 'machine' | 'launched'>>;
  substitute(spec: ServiceSpec, cause: Cause): Promise<void>;
  readonly project: Project;
  readonly shutdown: unknown;
  subscribe(listener: () => void): () => void;
  touched(): void;
}

export interface TrialPorts {
  readonly engine: TrialEngine;
  readonly clock: Clock;
  readonly store: Pick<Store, 'append'>;
  /** Runs it when no apply or reload is under way. */
  readonly inTurn: (act: () => Promise<void>) => Promise<void>;
}

/** What each service was before a reload. */
export type Before = ReadonlyMap<
  ServiceId,
  {
    readonly spec: ServiceSpec;
    /** Whether all that is wanted of it was ready, or had completed. */
    readonly good: boolean;
    readonly fingerprints: ReadonlyMap<InstanceId, string | undefined>;
  }
>;

interface Held {
  readonly trial: Trial;
  /** What comes back if the trial fails. */
  readonly fallback: ServiceSpec | undefined;
  /** It has failed and that was told; it may still come up. */
  readonly told: boolean;
  readonly disarm: () => void;
}

/** A version of a service that did not come up, and what runs in its place. */
interface Refused {
  readonly version: string;
  readonly instead: ServiceSpec;
}

/**
 * Sees to it that a change which does not come up is told, and, where the service asks for it (`rollback`), that its last
 * good version comes back. All of it is in memory alone: a new daemon knows nothing of the trials of an earlier one.
 */
export class ChangeTrials {
  readonly #ports: TrialPorts;
  readonly #held = new Map<ServiceId, Held>();
  readonly #refused = new Map<ServiceId, Refused>();
  readonly #failed = new Map<ServiceId, FailedChange>();
  readonly #unsubscribe: () => void;

  constructor(ports: TrialPorts) {
    this.#ports = ports;
    this.#unsubscribe = ports.engine.subscribe(() => this.#look());
  }

  /** Services whose last change did not come up, by name. */
  get failed(): readonly FailedChange[] {
    return [...this.#failed.values()].sort((a, b) => (a.service < b.service ? -1 : 1));
  }

  /** To be taken right before a reload. */
  before(): Before {
    const services = new Map<
      ServiceId,
      { spec: ServiceSpec; good: boolean; fingerprints: Map<InstanceId, string | undefined> }
    >();
    for (const { ref, spec, state, machine, launched } of this.#ports.engine.supervisors()) {
      const entry = services.get(ref.service) ?? { spec, good: true, fingerprints: new Map() };
      const isGood = isReady(state) || state.kind === 'completed' || state.kind === 'scheduled';
      entry.good &&= isGood || machine.wanted === 'down';
      entry.fingerprints.set(ref.id, launched.fingerprint);
      services.set(ref.service, entry);
    }
    return services;
  }

  /** The project with those services as they are run in place of a version that was refused, and is still what is wanted. */
  without(project: Project): Project {
    const services = project.services.map((spec) => {
      const refused = this.#refused.get(spec.id);
      return refused?.version === versionOf(spec) ? { ...refused.instead, replicas: spec.replicas } : spec;
    });
    return { ...project, services };
  }

  /** A person wants the manifest as it is: nothing is held against any version. */
  forget(): void {
    for (const { disarm } of this.#held.values()) disarm();
    this.#held.clear();
    this.#refused.clear();
    this.#failed.clear();
  }

  /** To be called right after a reload. */
  begin(plan: PlanView, project: Project, before: Before): void {
    for (const id of [...this.#failed.keys(), ...this.#refused.keys()]) {
      const now = project.services.find((spec) => spec.id === id);
      if (now !== undefined && this.#refused.get(id)?.version === versionOf(now)) continue;
      this.#refused.delete(id);
      this.#failed.delete(id);
    }
    const changed = new Set(
      plan.steps
        .filter(({ action, causes }) => {
          const isChange = causes.some(({ kind }) => kind === 'changed');
          return isChange && (action === 'replace' || action === 'start');
        })
        .map(({ service }) => service),
    );
    for (const spec of this.without(project).services) {
      const was = before.get(spec.id);
      if (!changed.has(spec.id) || was === undefined) continue;
      this.#held.get(spec.id)?.disarm();
      const steps = new Set(
        plan.steps.filter((s) => s.service === spec.id && s.action !== 'none').map((s) => s.instance),
      );
      const former = new Map([...was.fingerprints].filter(([id]) => steps.has(id)));
      // The version from before one that is itself still on trial is the last good one.
      const last = this.#held.get(spec.id)?.fallback ?? (was.good ? was.spec : undefined);
      const fallback = spec.rollback === true ? last : undefined;
      this.#held.set(spec.id, {
        trial: beginTrial(spec.id, spec.ready, former),
        fallback,
        told: false,
        disarm: () => {},
      });
    }
    this.#look();
  }

  stop(): void {
    this.forget();
    this.#unsubscribe();
  }

  #look(): void {
    if (this.#held.size === 0) return;
    const { engine, clock } = this.#ports;
    if (engine.shutdown !== undefined) {
      this.forget();
      return;
    }
    const all = [...engine.supervisors()];
    for (const [service, held] of this.#held) {
      const views = all
        .filter(({ ref }) => ref.service === service)
        .map(({ ref, state, machine, launched: { fingerprint } }) => ({
          id: ref.id,
          state,
          wanted: machine.wanted,
          ...(fingerprint === undefined ? {} : { fingerprint }),
        }));
      const verdict = judge(held.trial, views, clock.now());
      held.disarm();
      if (verdict.kind === 'open') {
        const { trial, lookAgainInMs } = verdict;
        const disarm =
          lookAgainInMs === undefined ? () => {} : clock.after(lookAgainInMs, () => this.#look());
        this.#held.set(service, { ...held, trial, disarm });
        continue;
      }
      if (verdict.kind === 'bad') this.#failing(service, held, verdict.reason);
      else this.#cameUp(service);
    }
  }

  #cameUp(service: ServiceId): void {
    this.#held.delete(service);
    if (this.#failed.delete(service)) this.#ports.engine.touched();
  }

  #failing(service: ServiceId, held: Held, reason: ChangeFailure): void {
    if (held.told) return;
    const rolledBack = this.#fail(service, reason, held.fallback);
    if (rolledBack) this.#held.delete(service);
    else this.#held.set(service, { ...held, told: true });
  }

  /** Tells it, and answers whether the fallback comes back. */
  #fail(service: ServiceId, reason: ChangeFailure, fallback: ServiceSpec | undefined): boolean {
    const { engine, store, inTurn } = this.#ports;
    const refused = engine.project.services.find((spec) => spec.id === service);
    const usable = fallback !== undefined && refused !== undefined && canRun(fallback, engine.project);
    const failure: FailedChange = { service, reason, rolledBack: usable };
    this.#failed.set(service, failure);
    store.append({ type: 'change-failed', reason, rolledBack: usable }, { service });
    engine.touched();
    if (!usable) return false;
    const instead = { ...fallback, replicas: refused.replicas };
    this.#refused.set(service, { version: versionOf(refused), instead });
    void inTurn(async () => {
      // An `up` or another reload that came before this has put something else in its place.
      if (engine.shutdown !== undefined || this.#failed.get(service) !== failure) return;
      await engine.substitute(instead, { kind: 'policy', reason: { kind: 'rolled-back', failure: reason } });
    });
    return true;
  }
}

/** A service may no longer have what its former version ran on. */
function canRun(spec: ServiceSpec, { services }: Project): boolean {
  return spec.dependsOn.every(
    ({ service, required }) => !required || services.some(({ id }) => id === service),
  );
}

/** What tells one version of a service from another; where it stands in the file is no part of that. */
function versionOf(spec: ServiceSpec): string {
  const { origin: _origin, replicas: _replicas, ...rest } = spec;
  return canonicalJson(rest);
}
