import type { SandboxSpec } from '../../core/service.ts';

/** Where a service runs on macOS, and what it may do besides its sandbox's lists; all paths absolute, links resolved. */
export interface ExecProfileRequest {
  readonly sandbox: SandboxSpec;
  readonly cwd: string;
  readonly home: string;
  /** Seen, not written. */
  readonly read: readonly string[];
  /** Written by the run itself: logs, sockets, the private temporary folder. */
  readonly write: readonly string[];
  /** Not even seen, such as the folder of the daemon's socket. */
  readonly hidden: readonly string[];
}

/** Top-level folders of programs and libraries on macOS. */
const SYSTEM_FOLDERS = [
  '/System',
  '/Library',
  '/usr',
  '/bin',
  '/sbin',
  '/opt',
  '/private/etc',
  '/private/var/db/timezone',
  '/private/var/db/dyld',
  '/private/var/select',
  '/dev',
  '/nix/store',
];

const DEVICES = ['/dev/null', '/dev/zero', '/dev/dtracehelper', '/dev/tty', '/dev/ptmx'];

/**
 * A profile in the language of sandbox-exec(1): the last rule that matches decides. In the default profile all may be
 * read and nothing written but what is named; in the strict one only the system and what is named may be read. Names and
 * attributes of folders on the way stay readable, for no path could be resolved without.
 */
export function sandboxExecProfile(place: ExecProfileRequest): string {
  const { sandbox, cwd, home, read, write, hidden } = place;
  const strict = sandbox.profile === 'strict';
  const readable = [cwd, ...read, ...sandbox.read];
  const writable = [...write, ...sandbox.write];
  return [
    '(version 1)',
    '(deny default)',
    '(allow process-fork)',
    '(allow process-exec)',
    '(allow signal (target same-sandbox))',
    '(allow process-info* (target same-sandbox))',
    '(allow sysctl-read)',
    '(allow mach-lookup)',
    '(allow ipc-posix*)',
    '(allow pseudo-tty)',
    '(allow file-read-metadata)',
    rule('allow', 'file-read*', strict ? subpaths([...SYSTEM_FOLDERS, ...readable]) : []),
    ...(strict ? ['(allow file-read* (literal "/"))', rule('deny', 'file-read-data', subpaths([home]))] : []),
    ...blocks(hidden, (paths) => rule('deny', 'file-read* file-write* network-outbound', paths)),
    // What lies in the home or in a hidden folder and was named counts all the same.
    ...blocks(strict ? readable : [...read, ...sandbox.read], (paths) => rule('allow', 'file-read*', paths)),
    ...blocks(writable, (paths) => rule('allow', 'file-read* file-write*', paths)),
    rule('allow', 'file-write-data file-ioctl', [
      ...DEVICES.map((path) => `(literal ${quoted(path)})`),
      '(regex #"^/dev/ttys[0-9]+$")',
    ]),
    ...(sandbox.network ? ['(allow network*)', '(allow system-socket)'] : localSockets(writable)),
    '',
  ].join('\n');
}

/** Unix sockets are files: without the network those in the service's own folders remain. */
function localSockets(writable: readonly string[]): readonly string[] {
  return blocks(writable, (paths) => rule('allow', 'network-bind network-inbound network-outbound', paths));
}

function blocks(paths: readonly string[], of: (filters: readonly string[]) => string): readonly string[] {
  return paths.length === 0 ? [] : [of(subpaths(paths))];
}

function subpaths(paths: readonly string[]): readonly string[] {
  return [...new Set(paths)].map((path) => `(subpath ${quoted(path)})`);
}

function rule(verdict: 'allow' | 'deny', operations: string, filters: readonly string[]): string {
  const rest = filters.map((filter) => `\n  ${filter}`).join('');
  return `(${verdict} ${operations}${rest})`;
}

function quoted(path: string): string {
  return `"${path.replace(/[\\"]/g, (char) => `\\${char}`)}"`;
}
