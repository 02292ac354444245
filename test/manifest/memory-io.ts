import type { Diagnostic } from '../../src/core/diagnostic.ts';
import type { BackendName, LoadRequest } from '../../src/core/service.ts';
import { loadProject } from '../../src/manifest/load.ts';
import type { LoadResult, ManifestIo } from '../../src/manifest/load.ts';

/** Files by absolute path; `null` is a folder, an Error what every access to it throws. */
export type Files = Readonly<Record<string, string | Buffer | null | Error>>;

export function memoryIo(files: Files, hostEnv: Readonly<Record<string, string>> = {}): ManifestIo {
  const find = (path: string) => {
    const content = Object.hasOwn(files, path) ? files[path] : undefined;
    if (content instanceof Error) throw content;
    if (content === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
    return content === null ? null : Buffer.from(content);
  };
  return {
    homeDir: '/home/ada',
    hostEnv,
    readFile: (path) => find(path) ?? Buffer.alloc(0),
    stat: (path) => {
      const content = find(path);
      return {
        isFile: () => content !== null,
        isDirectory: () => content === null,
        size: content?.length ?? 0,
      };
    },
  };
}

export function requestFor(more: Partial<LoadRequest> = {}): LoadRequest {
  return { files: ['/p/setpoint.yaml'], profiles: [], set: {}, envFiles: [], named: [], ...more };
}

interface Around extends Omit<Partial<LoadRequest>, 'files'> {
  readonly files?: Files;
  readonly hostEnv?: Readonly<Record<string, string>>;
  /** What is found of the backends, by what the reason says; those that are not named are available. */
  readonly missing?: Partial<Readonly<Record<BackendName, string>>>;
}

/** Loads `/p/setpoint.yaml` with this text, beside other files. */
export function load(text: string, { files = {}, hostEnv = {}, missing, ...more }: Around = {}): LoadResult {
  const io = memoryIo({ '/p/setpoint.yaml': text, '/p': null, ...files }, hostEnv);
  const backendAvailable = (name: BackendName) => ({
    available: missing?.[name] === undefined,
    reason: missing?.[name] ?? `${name} was found`,
  });
  return loadProject(requestFor(more), missing === undefined ? io : { ...io, backendAvailable });
}

/** Each as one line: `error code line:column: message (note)`, and what helps behind it. */
export function toldBy(diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map(({ severity, code, message, help, labels: [label] }) => {
    const at = label === undefined ? '' : ` ${label.place.line}:${label.place.column}`;
    const note = label?.note === undefined ? '' : ` (${label.note})`;
    return `${severity} ${code}${at}: ${message}${note}${help === undefined ? '' : ` [${help}]`}`;
  });
}

/** `code line:column` of each, in order. */
export function placesOf(diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map(({ code, labels: [label] }) =>
    label === undefined ? code : `${code} ${label.place.line}:${label.place.column}`,
  );
}
