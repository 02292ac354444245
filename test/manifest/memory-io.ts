import type { Diagnostic } from '../../src/core/diagnostic.ts';
import type { LoadRequest } from '../../src/core/service.ts';
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
}

/** Loads `/p/setpoint.yaml` with this text, beside other files. */
export function load(text: string, { files = {}, hostEnv = {}, ...more }: Around = {}): LoadResult {
  const io = memoryIo({ '/p/setpoint.yaml': text, '/p': null, ...files }, hostEnv);
  return loadProject(requestFor(more), io);
}

/** `code line:column` of each, in order. */
export function placesOf(diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map(({ code, labels: [label] }) =>
    label === undefined ? code : `${code} ${label.place.line}:${label.place.column}`,
  );
}
