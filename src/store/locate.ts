import { readdirSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { shortHash } from '../core/util/hash.ts';
import type { Result } from '../core/util/result.ts';
import { err, ok } from '../core/util/result.ts';
import { errnoOf, explainErrno } from '../core/util/system-error.ts';
import { xdgFolder } from '../core/util/xdg.ts';
import type { ProjectRecord } from '../ports/store.ts';
import { readText } from './files.ts';
import { readLockNote } from './lock-note.ts';
import { parseProjectRecord } from './records.ts';
import type { Environment } from './runtime-dir.ts';
import { isOwnSocket, socketPathFor } from './runtime-dir.ts';

/** Where everything of one project is. Two locations with the same `key` are the same project. */
export interface ProjectLocation {
  /** 16 hex digits: hash of the real path of the first manifest and the project name asked for. */
  readonly key: string;
  /** The project name asked for, or the name of the manifest's folder; not yet what the manifest itself may say. */
  readonly name: string;
  /** Absolute paths of the manifests, as they were named. */
  readonly files: readonly string[];
  /** The first of `files`. */
  readonly manifest: string;
  readonly stateDir: string;
  readonly socketPath: string;
  readonly lockPath: string;
}

export interface LocateRequest {
  readonly cwd: string;
  /** What was given with `-f`; empty: look for the manifest from `cwd` upwards. */
  readonly files: readonly string[];
  readonly projectName?: string;
  readonly env: Environment;
}

export interface LocateFailure {
  readonly code:
    | 'no-manifest'
    | 'two-manifests'
    | 'missing-manifest'
    | 'unreadable-manifest'
    | 'unknown-project'
    | 'ambiguous-project'
    | 'no-home';
  readonly message: string;
  readonly help: string;
}

/** A project that has left records, running or not. */
interface KnownProject {
  readonly location: ProjectLocation;
  readonly record: ProjectRecord;
}

/** The names a manifest is looked for under. */
const MANIFEST_NAMES = ['setpoint.yaml', 'setpoint.yml'] as const;

/**
 * Finds the project that a command is about. Where the manifest of a project that is up was deleted, the project is
 * still found, by its record. Writes nothing.
 */
export function locateProject(request: LocateRequest): Result<ProjectLocation, LocateFailure> {
  const root = stateRoot(request.env);
  if (!root.ok) return root;
  const [first, ...rest] = request.files.map((file) => resolve(request.cwd, file));
  if (first !== undefined) return fromFiles(request, root.value, first, rest);
  return fromFolder(request, root.value);
}

/** Finds a project by the name it was last applied under; one that is up goes before those that are down. */
export function findByName(projectName: string, env: Environment): Result<ProjectLocation, LocateFailure> {
  const root = stateRoot(env);
  if (!root.ok) return root;
  const named = listProjects(env).filter(({ record }) => record.name === projectName);
  const up = named.filter(({ record }) => record.phase === 'up');
  const [only, ...others] = up.length > 0 ? up : named;
  if (only === undefined) {
    return err({
      code: 'unknown-project',
      message: `no project named ${JSON.stringify(projectName)} is known`,
      help: 'start it with `setpoint up --project-name NAME`, or name its manifest with --file',
    });
  }
  if (others.length === 0) return ok(only.location);
  const manifests = [only, ...others].map(({ location }) => location.manifest);
  return err({
    code: 'ambiguous-project',
    message: `${manifests.length} projects are named ${JSON.stringify(projectName)}: ${manifests.join(', ')}`,
    help: 'name the manifest of the one you mean with --file',
  });
}

/** The name that a project had when it was last applied; undefined where that is not known. */
export function recordedName(stateDir: string): string | undefined {
  const read = readText(join(stateDir, 'project.json'));
  if (read.kind !== 'text') return undefined;
  const parsed = parseProjectRecord(read.text);
  return parsed.ok ? parsed.record.name : undefined;
}

/** All projects that have left a record that can be read, ordered by the path of their state directory. */
export function listProjects(env: Environment): readonly KnownProject[] {
  const root = stateRoot(env);
  if (!root.ok) return [];
  return foldersOf(root.value).flatMap((entry) => {
    const key = /-([0-9a-f]{16})$/.exec(entry)?.[1];
    const stateDir = join(root.value, entry);
    const read = key === undefined ? undefined : readText(join(stateDir, 'project.json'));
    const parsed = read?.kind === 'text' ? parseProjectRecord(read.text) : undefined;
    if (key === undefined || parsed?.ok !== true) return [];
    return [{ location: known(parsed.record, key, stateDir, env), record: parsed.record }];
  });
}

function fromFiles(
  request: LocateRequest,
  root: string,
  first: string,
  rest: readonly string[],
): Result<ProjectLocation, LocateFailure> {
  const real = realPath(first);
  if (real.ok) return ok(locationOf(request, root, real.value, [first, ...rest]));
  if (['ENOENT', 'ENOTDIR'].includes(errnoOf(real.error) ?? '')) {
    const deleted = findDeleted(request, listProjects(request.env), [first]);
    if (deleted !== undefined) return ok({ ...deleted, files: [first, ...rest] });
    return err({
      code: 'missing-manifest',
      message: `there is no manifest ${first}`,
      help: 'check the path given with --file; it is relative to the working directory',
    });
  }
  return err(unreadable(first, real.error));
}

function fromFolder(request: LocateRequest, root: string): Result<ProjectLocation, LocateFailure> {
  const start = resolve(request.cwd);
  let projects: readonly KnownProject[] | undefined;
  for (let folder = start; ; folder = dirname(folder)) {
    const candidates = MANIFEST_NAMES.map((name) => join(folder, name));
    const there = candidates.filter(exists);
    const [first, second] = there;
    if (first !== undefined && second !== undefined) {
      return err({
        code: 'two-manifests',
        message: `both ${first} and ${second} exist`,
        help: 'remove one of them, or say with --file which one is meant',
      });
    }
    if (first !== undefined) {
      const real = realPath(first);
      return real.ok
        ? ok(locationOf(request, root, real.value, [first]))
        : err(unreadable(first, real.error));
    }
    // A running project whose manifest was just deleted is nearer than any project of a parent folder.
    projects ??= listProjects(request.env);
    const deleted = findDeleted(request, projects, candidates);
    if (deleted !== undefined) return ok(deleted);
    if (dirname(folder) === folder) break;
  }
  return err({
    code: 'no-manifest',
    message: `no setpoint.yaml in ${start} or any parent folder`,
    help: 'write a first one with `setpoint init`, or name one with --file',
  });
}

function unreadable(path: string, cause: unknown): LocateFailure {
  return {
    code: 'unreadable-manifest',
    message: `cannot reach the manifest ${path}: ${explainErrno(cause)}`,
    help: 'check the permissions of the file and of the folders above it',
  };
}

function findDeleted(
  request: LocateRequest,
  projects: readonly KnownProject[],
  manifests: readonly string[],
): ProjectLocation | undefined {
  const candidates = new Set(manifests.flatMap((path) => [path, viaRealFolder(path)]));
  return projects.find(
    ({ location, record }) =>
      record.phase === 'up' &&
      record.load.projectName === request.projectName &&
      (candidates.has(location.manifest) || candidates.has(viaRealFolder(location.manifest))),
  )?.location;
}

function viaRealFolder(path: string): string {
  const folder = realPath(dirname(path));
  return folder.ok ? join(folder.value, basename(path)) : path;
}

function locationOf(
  request: LocateRequest,
  root: string,
  real: string,
  files: readonly [string, ...string[]],
): ProjectLocation {
  const key = projectKey(real, request.projectName);
  const name = request.projectName ?? basename(dirname(real));
  const stateDir = join(root, `${slug(name)}-${key}`);
  return {
    key,
    name: name === '' ? 'root' : name,
    files,
    manifest: files[0],
    stateDir,
    socketPath: socketOf(key, stateDir, request.env),
    lockPath: lockPathIn(stateDir),
  };
}

function known(record: ProjectRecord, key: string, stateDir: string, env: Environment): ProjectLocation {
  const { files } = record.load;
  return {
    key,
    name: record.name,
    files,
    manifest: files[0] ?? '',
    stateDir,
    socketPath: socketOf(key, stateDir, env),
    lockPath: lockPathIn(stateDir),
  };
}

function lockPathIn(stateDir: string): string {
  return join(stateDir, 'daemon.lock');
}

/**
 * The socket that the last daemon said it serves goes first: a client under cron or in another session has other
 * XDG_RUNTIME_DIR and TMPDIR than the daemon had, and must find it all the same.
 */
function socketOf(key: string, stateDir: string, env: Environment): string {
  const noted = readLockNote(lockPathIn(stateDir))?.socketPath;
  return noted !== undefined && isOwnSocket(noted) ? noted : socketPathFor(key, env);
}

function projectKey(realManifest: string, projectName: string | undefined): string {
  return shortHash(`${realManifest}\0${projectName ?? ''}`);
}

/** A name as part of a folder name; the key behind it makes the folder unique. */
function slug(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9_.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 40);
  return plain === '' ? 'project' : plain;
}

function stateRoot(env: Environment): Result<string, LocateFailure> {
  const folder = xdgFolder('STATE', env, env['HOME'] ?? homeOfUser());
  if (folder !== undefined) return ok(join(folder, 'setpoint'));
  return err({
    code: 'no-home',
    message: 'there is no home directory to keep state in',
    help: 'set HOME, or XDG_STATE_HOME, to the absolute path of a folder of yours',
  });
}

function homeOfUser(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

function foldersOf(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

function realPath(path: string): Result<string, unknown> {
  try {
    return ok(realpathSync(path));
  } catch (error) {
    return err(error);
  }
}
