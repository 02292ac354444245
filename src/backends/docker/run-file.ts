import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Exit } from '../../core/exit.ts';
import { asRecord } from '../../core/util/record.ts';
import { type CopyPosition, parseCopyPosition } from './copy-position.ts';

/** What is kept of a run besides what the engine keeps. */
export interface RunFacts {
  readonly run: string;
  readonly tty: boolean;
  /** How far its output was copied. */
  readonly log: CopyPosition;
  /** Set once it has ended and its output was copied: the container may be gone from then on. */
  readonly exit?: Exit;
}

const FILE = 'docker.json';

/** The file in an instance's directory that says of its latest run what the engine cannot say. Written atomically. */
export class RunFile {
  readonly #path: string;
  #facts: RunFacts;

  /** Makes the file of a new run. Throws what the system throws. */
  static create(instanceDir: string, facts: RunFacts): RunFile {
    const file = new RunFile(instanceDir, facts);
    file.update({});
    return file;
  }

  /** Undefined where there is none of this run, or none that can be read. */
  static open(instanceDir: string, run: string): RunFile | undefined {
    const facts = read(join(instanceDir, FILE));
    return facts?.run === run ? new RunFile(instanceDir, facts) : undefined;
  }

  private constructor(instanceDir: string, facts: RunFacts) {
    this.#path = join(instanceDir, FILE);
    this.#facts = facts;
  }

  get facts(): RunFacts {
    return this.#facts;
  }

  /** Throws what the system throws; what was there before is then there still. */
  update(change: Partial<Omit<RunFacts, 'run' | 'tty'>>): void {
    const facts = { ...this.#facts, ...change };
    const draft = `${this.#path}.new`;
    writeFileSync(draft, `${JSON.stringify(facts)}\n`, { mode: 0o600 });
    renameSync(draft, this.#path);
    this.#facts = facts;
  }
}

function read(path: string): RunFacts | undefined {
  try {
    const value = asRecord(JSON.parse(readFileSync(path, 'utf8')));
    const { run, tty, log, exit } = value ?? {};
    const cursor = parseCopyPosition(log);
    if (typeof run !== 'string' || typeof tty !== 'boolean' || cursor === undefined) return undefined;
    const end = asRecord(exit);
    const isExit = typeof end?.['kind'] === 'string';
    return { run, tty, log: cursor, ...(isExit ? { exit: end as unknown as Exit } : {}) };
  } catch {
    return undefined;
  }
}
