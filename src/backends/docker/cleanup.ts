import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerInfo } from './dockerode.ts';
import type { CleanupReport } from '../../core/api.ts';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { RunId } from '../../core/state.ts';
import type { Orphan } from '../../ports/backend.ts';
import { type EngineClient, type EngineFailure, type EngineResult, startFailureOf } from './engine-client.ts';
import { LABELS, type Owner, ownerLabels } from './names.ts';

const GONE = 404;
const GONE_POLL_MS = 50;
const LEAVING_MS = 3_000;
/** The engine may take its time to stop and to remove what a container has written. */
const REMOVE_MS = 60_000;

/** All containers of a project, whatever their state. */
export async function projectContainers(
  engine: EngineClient,
  owner: Owner,
): Promise<EngineResult<readonly Orphan[]>> {
  const found = await engine.request((docker) =>
    docker.listContainers({ all: true, filters: { label: labelFilter(owner) } }),
  );
  return found.ok ? ok(found.value.map(projectContainer)) : found;
}

function projectContainer({ Id, Names, Labels, State }: ContainerInfo): Orphan {
  return {
    id: Id,
    name: (Names[0] ?? Id.slice(0, 12)).replace(/^\//, ''),
    service: Labels[LABELS.service] ?? '',
    instance: Labels[LABELS.instance] ?? '',
    run: Labels[LABELS.run] ?? '',
    running: State !== 'exited' && State !== 'created' && State !== 'dead',
  };
}

/** Removes a container, stopping it if need be, with its anonymous volumes; one that is gone is no error. */
export async function removeContainer(
  engine: EngineClient,
  id: string,
): Promise<Result<void, EngineFailure>> {
  const removed = await engine.request(
    (docker) => docker.getContainer(id).remove({ force: true, v: true }),
    REMOVE_MS,
  );
  if (removed.ok || isGone(removed.error)) return ok(undefined);
  return isUnderWay(removed.error) ? untilGone(engine, id) : removed;
}

/** Somebody else has begun to remove it. */
function isUnderWay(failure: EngineFailure): boolean {
  return failure.kind === 'refused' && /removal .*in progress/i.test(failure.reason);
}

async function untilGone(engine: EngineClient, id: string): Promise<Result<void, EngineFailure>> {
  const until = performance.now() + REMOVE_MS;
  for (;;) {
    const seen = await engine.request((docker) => docker.getContainer(id).inspect());
    if (!seen.ok) return isGone(seen.error) ? ok(undefined) : seen;
    if (performance.now() > until) {
      return err({
        kind: 'refused',
        status: 409,
        reason: 'the engine does not come to an end of removing it',
      });
    }
    await sleep(GONE_POLL_MS);
  }
}

/** Removes what a project has on the engine: containers first, for they hold on to the rest. Never rejects. */
export async function removeProject(
  engine: EngineClient,
  owner: Owner,
  volumes: boolean,
): Promise<CleanupReport> {
  const failed: { what: string; why: string }[] = [];
  const containers = await projectContainers(engine, owner);
  if (!containers.ok) {
    const what = `containers of ${owner.project}`;
    return { containers: [], networks: [], volumes: [], failed: [{ what, why: containers.error.reason }] };
  }
  const names = await removeEach(
    containers.value.map(({ id, name }) => ({ what: `container ${name}`, name, id })),
    (id) => removeContainer(engine, id),
    failed,
  );
  return {
    containers: names,
    networks: await removeNetworks(engine, owner, failed),
    volumes: volumes ? await removeVolumes(engine, owner, failed) : [],
    failed,
  };
}

/** Containers whose run is not among the known ones. */
export async function orphans(
  engine: EngineClient,
  owner: Owner,
  known: ReadonlySet<RunId>,
): Promise<Result<readonly Orphan[], StartFailure>> {
  const found = await projectContainers(engine, owner);
  if (!found.ok) return err(startFailureOf(found.error, 'the containers could not be looked at'));
  return ok(found.value.filter(({ run }) => !known.has(run)));
}

interface Item {
  /** For messages. */
  readonly what: string;
  readonly name: string;
  readonly id: string;
}

async function removeEach(
  items: readonly Item[],
  remove: (id: string) => Promise<Result<void, EngineFailure>>,
  failed: { what: string; why: string }[],
): Promise<readonly string[]> {
  const removed = await Promise.all(
    items.map(async ({ what, name, id }) => {
      const outcome = await remove(id);
      if (!outcome.ok) failed.push({ what, why: outcome.error.reason });
      return outcome.ok ? [name] : [];
    }),
  );
  return removed.flat().sort();
}

async function removeNetworks(
  engine: EngineClient,
  owner: Owner,
  failed: { what: string; why: string }[],
): Promise<readonly string[]> {
  const found = await engine.request((docker) =>
    docker.listNetworks({ filters: JSON.stringify({ label: labelFilter(owner) }) }),
  );
  if (!found.ok) {
    failed.push({ what: `networks of ${owner.project}`, why: found.error.reason });
    return [];
  }
  return removeEach(
    found.value.map(({ Id, Name }) => ({ what: `network ${Name}`, name: Name, id: Id })),
    (id) => removeNetwork(engine, id),
    failed,
  );
}

/** A container that is gone may not have left its network yet. */
export async function removeNetwork(engine: EngineClient, id: string): Promise<Result<void, EngineFailure>> {
  const until = performance.now() + LEAVING_MS;
  for (;;) {
    const removed = await engine.request((docker) => docker.getNetwork(id).remove(), REMOVE_MS);
    const isInUse =
      !removed.ok && removed.error.kind === 'refused' && /active endpoints/i.test(removed.error.reason);
    if (!isInUse || performance.now() > until) return settled(removed);
    await sleep(GONE_POLL_MS);
  }
}

async function removeVolumes(
  engine: EngineClient,
  owner: Owner,
  failed: { what: string; why: string }[],
): Promise<readonly string[]> {
  const found = await engine.request((docker) =>
    docker.listVolumes({ filters: JSON.stringify({ label: labelFilter(owner) }) } as object),
  );
  if (!found.ok) {
    failed.push({ what: `volumes of ${owner.project}`, why: found.error.reason });
    return [];
  }
  return removeEach(
    found.value.Volumes.map(({ Name }) => ({ what: `volume ${Name}`, name: Name, id: Name })),
    async (id) => settled(await engine.request((docker) => docker.getVolume(id).remove(), REMOVE_MS)),
    failed,
  );
}

function settled(outcome: EngineResult<unknown>): Result<void, EngineFailure> {
  return outcome.ok || isGone(outcome.error) ? ok(undefined) : outcome;
}

function isGone(failure: EngineFailure): boolean {
  return failure.kind === 'refused' && failure.status === GONE;
}

export function labelFilter(owner: Owner): string[] {
  return Object.entries(ownerLabels(owner)).map(([key, value]) => `${key}=${value}`);
}
