import { err, ok, type Result } from '../../core/util/result.ts';
import { isRecord } from '../../core/util/record.ts';

/** What `nix print-dev-env --json` says of a shell, as far as a process can be given it. */
export interface DevEnv {
  /** What the shell exports, without what belongs to the build that found it out. */
  readonly variables: Readonly<Record<string, string>>;
  /** Whether the shell has a `shellHook`. */
  readonly hook: boolean;
}

/**
 * Of the build in which nix finds out the environment, and not of the shell: `nix develop` keeps the first ones from the
 * shell as well (its list of ignored variables), the others name folders of that build or what it builds.
 */
const OF_THE_BUILD = new Set([
  ...['BASHOPTS', 'HOME', 'NIX_BUILD_TOP', 'NIX_ENFORCE_PURITY', 'NIX_LOG_FD', 'NIX_REMOTE', 'PPID', 'SHELL'],
  ...['SHELLOPTS', 'SHLVL', 'SSL_CERT_FILE', 'TEMP', 'TEMPDIR', 'TERM', 'TMP', 'TMPDIR', 'TZ', 'UID'],
  ...['NIX_BUILD_CORES', 'NIX_STORE', 'NIX_STORE_DIR', 'NIX_ATTRS_JSON_FILE', 'NIX_ATTRS_SH_FILE'],
  ...[
    'OLDPWD',
    'PWD',
    '_',
    'builder',
    'dontAddDisableDepTrack',
    'name',
    'out',
    'outputs',
    'shellHook',
    'src',
  ],
  'system',
]);

/**
 * Reads it. The error says why a process cannot be given this environment directly; `nix develop` may still do.
 * Only what is exported counts: shell variables, arrays and functions stay in a shell.
 */
export function parseDevEnv(text: string): Result<DevEnv, string> {
  const json = parseJson(text);
  if (!isRecord(json) || !isRecord(json['variables'])) {
    return err('this version of nix prints the environment in a form that is not known');
  }
  if ('structuredAttrs' in json) return err('the shell has structured attributes, which are no variables');
  const variables: [string, string][] = [];
  for (const [name, variable] of Object.entries(json['variables'])) {
    if (!isRecord(variable) || variable['type'] !== 'exported' || OF_THE_BUILD.has(name)) continue;
    const { value } = variable;
    if (typeof value !== 'string') return err(`the shell exports ${name}, which is not a text`);
    variables.push([name, value]);
  }
  const hook = json['variables']['shellHook'];
  return ok({
    variables: Object.fromEntries(variables),
    hook: isRecord(hook) && typeof hook['value'] === 'string' && hook['value'].trim() !== '',
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
