import type { SandboxSpec } from '../../core/service.ts';
import { isWithin } from '../../core/util/path.ts';
import {
  type SandboxedLaunch,
  type MachineFacts,
  normalPath,
  type FilesystemEntry,
  type RootEntry,
} from './filesystem.ts';

/** Folders for passing things: what other programs have there is not the service's business. */
export const SHARED = ['/tmp', '/var/tmp', '/run'];

/** Parts of /run that hold programs and not sockets. */
const RUN_PROGRAMS = ['/run/current-system', '/run/opengl-driver', '/run/opengl-driver-32'];

/** Top-level folders of programs and libraries (hier(7)). */
const SYSTEM_ENTRIES = new Set(['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'usr']);
const SYSTEM_FOLDERS = ['/nix/store', '/gnu/store', '/etc/static', ...RUN_PROGRAMS];

/** What programs look up in /etc: names of users, hosts and services, libraries, certificates, time, and no secrets. */
const SYSTEM_FILES = [
  'alternatives',
  'ca-certificates',
  'ca-certificates.conf',
  'crypto-policies',
  'gai.conf',
  'group',
  'host.conf',
  'hosts',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'locale.alias',
  'locale.conf',
  'localtime',
  'mime.types',
  'nsswitch.conf',
  'os-release',
  'passwd',
  'pki',
  'protocols',
  'resolv.conf',
  'services',
  'ssl',
  'terminfo',
  'timezone',
].map((name) => `/etc/${name}`);

export interface BaseLayout {
  readonly built: boolean;
  readonly entries: readonly FilesystemEntry[];
  /** Areas in which only what is put there can be seen. */
  readonly blank: readonly string[];
}

export const NO_BASE: BaseLayout = { built: false, entries: [], blank: [] };

export function baseOf(sandbox: SandboxSpec, launch: SandboxedLaunch, facts: MachineFacts): BaseLayout {
  const strict = sandbox.profile === 'strict';
  const temporary = SHARED.flatMap((path): readonly FilesystemEntry[] => {
    const target = strict ? path : facts.look(path)?.real;
    return target === undefined ? [] : [{ kind: 'tmpfs', target, mode: path === '/run' ? 0o755 : 0o1777 }];
  });
  const places = [...temporary, ...runPlaces(facts)];
  if (!strict) return { built: false, entries: places, blank: temporary.map(({ target }) => target) };
  const home = homeOf(launch, facts).map((target): FilesystemEntry => ({
    kind: 'tmpfs',
    target,
    mode: 0o700,
  }));
  return { built: true, entries: [...systemPlaces(facts), ...places, ...home], blank: ['/'] };
}

/** An empty one takes the place of the user's, for programs that must have one. */
function homeOf(launch: SandboxedLaunch, facts: MachineFacts): readonly string[] {
  const home = launch.env['HOME'];
  if (home?.startsWith('/') !== true) return [];
  const path = normalPath(home);
  const system = ['/usr', '/nix', '/etc', '/proc', '/dev'];
  const taken = system.some((folder) => isWithin(folder, path) || isWithin(path, folder));
  return taken || facts.look(path)?.real !== path ? [] : [path];
}

function systemPlaces(facts: MachineFacts): readonly FilesystemEntry[] {
  const top = facts
    .rootEntries()
    .filter(({ name }) => SYSTEM_ENTRIES.has(name))
    .map((entry) => entryPlace(entry, 'read'));
  const more = [...SYSTEM_FOLDERS, ...SYSTEM_FILES].filter((path) => !path.startsWith('/run/'));
  return [...top, ...more.flatMap((path) => seen(path, facts))];
}

/** /run holds the sockets of the system's services; programs and the names of name servers are let through. */
function runPlaces(facts: MachineFacts): readonly FilesystemEntry[] {
  const names = facts.look('/etc/resolv.conf')?.real;
  const paths = names !== undefined && isWithin(names, '/run') ? [...RUN_PROGRAMS, names] : RUN_PROGRAMS;
  return paths.flatMap((path) => seen(path, facts));
}

function seen(path: string, { look }: MachineFacts): readonly FilesystemEntry[] {
  const fact = look(path);
  return fact === undefined ? [] : [{ kind: 'bind', source: fact.real, target: path, access: 'read' }];
}

export function rootEntries(facts: MachineFacts, readOnly: boolean): readonly FilesystemEntry[] {
  return facts
    .rootEntries()
    .filter(({ name }) => !readOnly || (name !== 'proc' && name !== 'dev'))
    .map((entry) => entryPlace(entry, readOnly ? 'read' : 'device'));
}

function entryPlace({ name, link }: RootEntry, access: 'read' | 'device'): FilesystemEntry {
  const target = `/${name}`;
  return link === undefined
    ? { kind: 'bind', source: target, target, access }
    : { kind: 'link', text: link, target };
}
