import { dirname, join } from 'node:path';
import type { LoadRequest } from '../../core/service.ts';
import { parseEnvFile } from './env-file.ts';
import type { EnvFile } from './env-file.ts';
import type { Report } from '../report.ts';
import { readText } from './source.ts';
import type { ManifestIo, ReadProblem } from './source.ts';

export type LookUp = (name: string) => string | undefined;

/** Reads env files, each once for each set of variables, and remembers which files were looked at. */
export class EnvFiles {
  readonly #io: ManifestIo;
  readonly #report: Report;
  readonly #texts = new Map<string, ReturnType<typeof readText>>();
  readonly #parsed = new Map<LookUp, Map<string, EnvFile>>();

  constructor(io: ManifestIo, report: Report) {
    this.#io = io;
    this.#report = report;
  }

  /** Those that exist, in the order of their first use. */
  get files(): readonly string[] {
    return [...this.#texts].filter(([, text]) => text.ok).map(([path]) => path);
  }

  /** The same, and those that are not there. */
  get looked(): readonly string[] {
    return [...this.#texts.keys()];
  }

  /** The file's values, its own problems reported; a file that cannot be read is left to `onMissing`. */
  read(
    path: string,
    format: 'dotenv' | 'raw',
    lookup: LookUp,
    onMissing: (problem: ReadProblem) => void,
  ): Readonly<Record<string, string>> {
    let parsed = this.#parsed.get(lookup);
    if (parsed === undefined) this.#parsed.set(lookup, (parsed = new Map<string, EnvFile>()));
    const known = parsed.get(`${format} ${path}`);
    if (known !== undefined) return known.values;
    const text = this.text(path);
    if (!text.ok) {
      onMissing(text.error);
      return {};
    }
    this.#report.order(path);
    const file = parseEnvFile(text.value, { file: path, format, lookup });
    for (const diagnostic of file.diagnostics) this.#report.add(diagnostic);
    parsed.set(`${format} ${path}`, file);
    return file.values;
  }

  /** The place of a key in a file that was read; only the file where the key cannot be found. */
  whereIs(path: string, key: string): string {
    const text = this.text(path);
    const lines = text.ok ? text.value.split('\n') : [];
    const at = lines.findLastIndex((line) => {
      const [name = ''] = line.replace(/^\s*(?:export\s+)?/, '').split(/[=:]/, 1);
      return name.trim() === key;
    });
    return at === -1 ? path : `${path}:${at + 1}`;
  }

  text(path: string): ReturnType<typeof readText> {
    const text = this.#texts.get(path) ?? readText(this.#io, path);
    this.#texts.set(path, text);
    return text;
  }
}

/**
 * The variables for the interpolation of one manifest. Later sources win: `beside` (the `.env` next to it, or what an
 * `include` names in its place), the caller's environment, `--env-file`, `--set`.
 */
export function variablesFor(
  request: LoadRequest,
  io: ManifestIo,
  beside: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>>,
): LookUp {
  const sources = [request.set, given, io.hostEnv, beside];
  return (name) => {
    const source = sources.find((values) => Object.hasOwn(values, name));
    return source?.[name];
  };
}

/** The values of the `--env-file`s; one that cannot be read is an error without a place. */
export function givenEnvFiles(request: LoadRequest, io: ManifestIo, files: EnvFiles, report: Report) {
  const values: Record<string, string> = {};
  const lookup = hostLookup(io);
  for (const path of request.envFiles) {
    const read = files.read(path, 'dotenv', lookup, ({ message, help }) => {
      const labels = [{ place: { file: path, line: 1, column: 1 } }];
      const diagnostic = { severity: 'error', code: 'missing-env-file', message, labels } as const;
      report.add(help === undefined ? diagnostic : { ...diagnostic, help });
    });
    Object.assign(values, read);
  }
  return values;
}

/** The values of the `.env` beside a manifest; none where there is no such file. */
export function dotEnvBeside(manifest: string, io: ManifestIo, files: EnvFiles, report: Report) {
  const path = join(dirname(manifest), '.env');
  return files.read(path, 'dotenv', hostLookup(io), (problem) => {
    if (problem.code === 'missing-file' || problem.code === 'not-a-file') return;
    report.warning('unreadable-file', { file: path, line: 1, column: 1 }, problem.message);
  });
}

const hostLookups = new WeakMap<ManifestIo, LookUp>();

/** The same function for the same machine, so that files read with it are read once. */
export function hostLookup(io: ManifestIo): LookUp {
  let lookup = hostLookups.get(io);
  if (lookup === undefined) {
    lookup = (name) => (Object.hasOwn(io.hostEnv, name) ? io.hostEnv[name] : undefined);
    hostLookups.set(io, lookup);
  }
  return lookup;
}
