import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { ProjectEvent, ProjectEventBody } from '../core/event.ts';
import type { Result } from '../core/util/result.ts';
import { err, ok } from '../core/util/result.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';
import { explainErrno } from '../core/util/system-error.ts';
import type { RunRecord } from '../ports/backend.ts';
import type { ProjectRecord, Store } from '../ports/store.ts';
import {
  makePrivateDir,
  readReplaced,
  readText,
  removeReplaced,
  replaceDurably,
  replaceQuickly,
} from './files.ts';
import type { ProjectLocation } from './locate.ts';
import { Journal } from './journal.ts';
import type { RecordResult } from './records.ts';
import { parseProjectRecord, parseRunRecord } from './records.ts';
import { StoreError } from './store-error.ts';

interface StoreOptions {
  /** Epoch ms; the machine's clock unless a test brings its own. */
  readonly wall?: () => number;
  /** Told of happenings that the store appends by itself, so that they reach those who watch, too. */
  readonly onOwn?: (happening: ProjectEvent) => void;
}

interface StoreFailure {
  /** An errno name. */
  readonly code: string;
  readonly message: string;
  readonly help: string;
}

/** The store of a daemon; `close` gives its one descriptor back. */
export interface OpenStore extends Store {
  close(): void;
}

/** Opens a project's state, making its folders (0700) where they are missing. For the holder of the project's lock. */
export function openStore(
  location: Pick<ProjectLocation, 'stateDir'>,
  options: StoreOptions = {},
): Result<OpenStore, StoreFailure> {
  try {
    makePrivateDir(location.stateDir);
    makePrivateDir(instancesDir(location.stateDir));
    return ok(new FileStore(location.stateDir, options));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return err({
      code: error.code,
      message: error.message,
      help: 'make the folder writable, or set XDG_STATE_HOME to another one',
    });
  }
}

/** The run records of a project, read without changing anything; needs no daemon. Damaged ones are left out. */
export function readRunRecords(stateDir: string): readonly RunRecord[] {
  return runFiles(stateDir).flatMap(({ path }) => {
    const read = readReplaced(path, (text) => parseRunRecord(text).ok);
    if (read.kind !== 'text') return [];
    const parsed = parseRunRecord(read.text);
    return parsed.ok ? [parsed.record] : [];
  });
}

class FileStore implements OpenStore {
  readonly stateDir: string;
  readonly #journal: Journal;
  readonly #made = new Set<InstanceId>();

  constructor(stateDir: string, options: StoreOptions) {
    this.stateDir = stateDir;
    this.#journal = new Journal(stateDir, {
      wall: options.wall ?? Date.now,
      ...(options.onOwn === undefined ? {} : { onOwn: options.onOwn }),
    });
  }

  /** The folder is there afterwards, unless the disk refuses it; then the first write into it says so. */
  instanceDir(instance: InstanceId): string {
    const dir = instancePath(this.stateDir, instance);
    try {
      this.#makeInstanceDir(instance, dir);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
    return dir;
  }

  readProject(): ProjectRecord | undefined {
    const path = this.#projectPath();
    const read = readText(path);
    if (read.kind === 'missing') return undefined;
    if (read.kind === 'refused') {
      this.append({ type: 'warning', message: unreadable(path, read.why) }, {});
      return undefined;
    }
    const parsed = parseProjectRecord(read.text);
    if (parsed.ok) return parsed.record;
    this.append({ type: 'warning', message: setAside(path, parsed) }, {});
    return undefined;
  }

  writeProject(record: ProjectRecord): void {
    replaceDurably(this.#projectPath(), `${JSON.stringify(record, undefined, 2)}\n`);
  }

  readRuns(): { readonly runs: readonly RunRecord[]; readonly damaged: readonly string[] } {
    const runs: RunRecord[] = [];
    const damaged: string[] = [];
    for (const { instance, path } of runFiles(this.stateDir)) {
      const read = readReplaced(path, (text) => parseRunRecord(text).ok);
      if (read.kind === 'missing') continue;
      if (read.kind === 'refused') {
        damaged.push(unreadable(path, read.why));
        continue;
      }
      const parsed = parseRunRecord(read.text);
      if (!parsed.ok) damaged.push(setAside(path, parsed));
      else if (parsed.record.instance !== instance) {
        damaged.push(setAside(path, { ok: false, why: `it is of ${parsed.record.instance}` }));
      } else runs.push(parsed.record);
    }
    return { runs, damaged };
  }

  /**
   * Not synced to the disk, on purpose: a record matters only while its process may live, and no process outlives the
   * crash of the machine. It is whole for whoever reads after a crash of the daemon.
   */
  writeRun(record: RunRecord): void {
    const dir = instancePath(this.stateDir, record.instance);
    this.#makeInstanceDir(record.instance, dir);
    const path = join(dir, 'run.json');
    const text = `${JSON.stringify(record)}\n`;
    try {
      replaceQuickly(path, text);
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'ENOENT') throw error;
      // Somebody has removed the folder since.
      this.#made.delete(record.instance);
      this.#makeInstanceDir(record.instance, dir);
      replaceQuickly(path, text);
    }
  }

  removeRun(instance: InstanceId): void {
    const path = join(instancePath(this.stateDir, instance), 'run.json');
    try {
      removeReplaced(path);
    } catch (error) {
      const message = `cannot remove ${path}: ${explainErrno(error)}`;
      this.append({ type: 'warning', message }, { instance });
    }
  }

  append(
    body: ProjectEventBody,
    at: { readonly service?: ServiceId; readonly instance?: InstanceId },
  ): ProjectEvent {
    return this.#journal.append(body, at);
  }

  happenings(limit: number, service?: ServiceId): readonly ProjectEvent[] {
    return this.#journal.recent(limit, service);
  }

  close(): void {
    this.#journal.close();
  }

  #projectPath(): string {
    return join(this.stateDir, 'project.json');
  }

  #makeInstanceDir(instance: InstanceId, dir: string): void {
    if (this.#made.has(instance)) return;
    makePrivateDir(dir);
    this.#made.add(instance);
  }
}

function instancesDir(stateDir: string): string {
  return join(stateDir, 'instances');
}

function instancePath(stateDir: string, instance: InstanceId): string {
  if (!/^[a-z0-9][a-z0-9_.-]*$/.test(instance)) throw new Error(`not an instance id: ${instance}`);
  return join(instancesDir(stateDir), instance);
}

function runFiles(stateDir: string): { readonly instance: string; readonly path: string }[] {
  const dir = instancesDir(stateDir);
  try {
    return readdirSync(dir)
      .sort()
      .map((instance) => ({ instance, path: join(dir, instance, 'run.json') }));
  } catch {
    return [];
  }
}

function unreadable(path: string, why: string): string {
  return `${path} cannot be read: ${why}`;
}

/** Moves a damaged record out of the way, for a person to look at, and says so. */
function setAside(path: string, damage: Extract<RecordResult<unknown>, { ok: false }>): string {
  try {
    renameSync(path, `${path}.damaged`);
    return `${path} is damaged (${damage.why}); set aside as ${path}.damaged`;
  } catch {
    return `${path} is damaged (${damage.why})`;
  }
}
