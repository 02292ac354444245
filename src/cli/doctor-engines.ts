import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { get, type RequestOptions } from 'node:http';
import { get as getByTls } from 'node:https';
import { createCgroups } from '../host/cgroup/cgroup.ts';
import { describeEndpoint, type Endpoint, findEndpoint } from '../host/engine-endpoint.ts';
import { nixFacts } from '../backends/nix/facts.ts';
import { findOnPath } from '../host/programs.ts';
import { bwrapFacts } from '../backends/sandbox/bwrap-facts.ts';
import type { Fact } from './doctor-facts.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** What the machine is like, besides its environment; absent: this one. */
export interface Machine {
  readonly platform: string;
  readonly readText: (path: string) => string | undefined;
}

const THIS_MACHINE: Machine = {
  platform: process.platform,
  readText(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  },
};

const ANSWER_MS = 3000;

/** What services can be run by and kept in besides plain processes. Nothing is installed, and nothing is left behind. */
export async function engineFacts(env: Env, machine = THIS_MACHINE): Promise<readonly Fact[]> {
  const facts = await Promise.all([
    dockerFact(env, machine),
    nixFact(env),
    machine.platform === 'linux' ? bubblewrapFact(env, machine) : sandboxExecFact(machine),
  ]);
  return machine.platform === 'linux' ? [...facts, groupsFact()] : facts;
}

async function dockerFact(env: Env, machine: Machine): Promise<Fact> {
  const name = 'docker';
  const endpoint = findEndpoint(env);
  if (!endpoint.ok) {
    const hint = 'correct DOCKER_HOST or the context; `docker context ls` lists them';
    return { name, state: 'weak', found: endpoint.error, hint };
  }
  const place = `${describeEndpoint(endpoint.value)} (${endpoint.value.from})`;
  if (endpoint.value.kind === 'ssh') {
    const hint = 'see whether it answers: `docker version`';
    return { name, state: 'good', found: `${place}, not asked`, hint };
  }
  const answer = await askVersion(endpoint.value);
  if (answer.kind === 'version') return { name, state: 'good', found: `${answer.text} at ${place}` };
  const found = `no engine answers at ${place}: ${answer.why}`;
  return { name, state: 'weak', found, hint: dockerHint(answer.code, endpoint.value, env, machine) };
}

type Answer =
  | { readonly kind: 'version'; readonly text: string }
  | { readonly kind: 'none'; readonly code: string; readonly why: string };

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  EACCES: 'permission denied',
};

/** GET /version, which every engine answers without knowing who asks. */
function askVersion(endpoint: Exclude<Endpoint, { kind: 'ssh' }>): Promise<Answer> {
  return new Promise((resolve) => {
    const none = (code: string, why = code): void => resolve({ kind: 'none', code, why });
    const options: RequestOptions = {
      path: '/version',
      timeout: ANSWER_MS,
      agent: false,
      ...addressOf(endpoint),
    };
    const isTls = endpoint.kind === 'tcp' && endpoint.tls !== undefined;
    const request = (isTls ? getByTls : get)(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text = (text + chunk).slice(0, 64 * 1024)));
      response.on('error', () => none('cut off'));
      response.on('end', () => {
        const version = versionIn(text);
        if (version === undefined) none('no-engine', 'what answers is no container engine');
        else resolve({ kind: 'version', text: version });
      });
    });
    request.on('timeout', () => {
      none('timeout', `no answer within ${ANSWER_MS} ms`);
      request.destroy();
    });
    request.on('error', ({ code = '', message }: NodeJS.ErrnoException) =>
      none(code, WORDS[code] ?? (code || message)),
    );
  });
}

function addressOf(endpoint: Exclude<Endpoint, { kind: 'ssh' }>): RequestOptions & Record<string, unknown> {
  if (endpoint.kind === 'unix') return { socketPath: endpoint.path };
  const { host, port, tls } = endpoint;
  if (tls === undefined) return { host, port };
  const { verify, ...files } = tls;
  return { host, port, rejectUnauthorized: verify, ...files };
}

function versionIn(text: string): string | undefined {
  try {
    const { Version: version, ApiVersion: api } = JSON.parse(text) as Record<string, unknown>;
    if (typeof version !== 'string') return undefined;
    return typeof api === 'string' ? `${version} (API ${api})` : version;
  } catch {
    return undefined;
  }
}

function dockerHint(code: string, endpoint: Endpoint, env: Env, machine: Machine): string {
  if (code === 'EACCES')
    return 'let this user talk to it: `sudo usermod -aG docker "$USER"`, then log in anew';
  if (code === 'timeout') return 'it is there but hangs; see its own log';
  const isHere = endpoint.kind === 'unix';
  const programs = ['dockerd', 'podman', 'colima'].filter((program) => onPath(program, env) !== undefined);
  if (!isHere)
    return 'see that the engine runs there and listens, and that DOCKER_HOST or the context is right';
  if (programs.includes('dockerd')) return 'start it: `sudo systemctl start docker`';
  if (programs.includes('colima')) return 'start it: `colima start`';
  if (programs.includes('podman'))
    return 'start its socket: `systemctl --user start podman.socket`, and set DOCKER_HOST';
  return installDocker(machine);
}

/** How an engine is installed; said, never done. */
export function installDocker({ platform, readText }: Machine): string {
  if (platform === 'darwin')
    return 'install one: `brew install --cask docker`, or `brew install colima docker`';
  const names = ['ID', 'ID_LIKE'].flatMap((key) =>
    (new RegExp(`^${key}=["']?([^"'\\n]*)`, 'm').exec(readText('/etc/os-release') ?? '')?.[1] ?? '')
      .toLowerCase()
      .split(' '),
  );
  const command = INSTALL_COMMANDS.find(({ ids }) => ids.some((id) => names.includes(id)))?.command;
  return command === undefined
    ? 'install a container engine: docs.docker.com/engine/install'
    : `install one: ${command}`;
}

const INSTALL_COMMANDS = [
  { ids: ['nixos'], command: 'virtualisation.docker.enable = true' },
  { ids: ['alpine'], command: '`apk add docker`, then `rc-service docker start`' },
  { ids: ['arch'], command: '`pacman -S docker`, then `systemctl start docker`' },
  { ids: ['opensuse', 'suse', 'sles'], command: '`zypper install docker`, then `systemctl start docker`' },
  { ids: ['fedora', 'rhel', 'centos'], command: '`dnf install moby-engine`, then `systemctl start docker`' },
  { ids: ['debian', 'ubuntu'], command: '`apt-get install docker.io`' },
] as const;

async function nixFact(env: Env): Promise<Fact> {
  const name = 'nix';
  const facts = await nixFacts({ env });
  if (facts.kind !== 'usable') return { name, state: 'weak', found: facts.reason, hint: facts.help };
  const found = `${facts.version} (${facts.path})`;
  const flakes = await evaluates(facts.path, env);
  if (flakes === undefined) return { name, state: 'good', found: `${found}, flakes work` };
  return { name, state: 'weak', found: `${found}: ${flakes.why}`, hint: flakes.hint };
}

interface Lack {
  readonly why: string;
  readonly hint: string;
}

/** Why flakes cannot be evaluated; a whole evaluation takes about a tenth of a second. */
function evaluates(nix: string, env: Env): Promise<Lack | undefined> {
  const features = ['--extra-experimental-features', 'nix-command flakes'];
  const expression = 'if builtins ? getFlake then "yes" else "no"';
  return new Promise((resolve) => {
    const args = [...features, 'eval', '--raw', '--expr', expression];
    execFile(nix, args, { timeout: 10_000, env: { ...env }, cwd: '/' }, (error, stdout, stderr) => {
      const said = firstLine(stderr.replaceAll(/\u001b\[[0-9;]*m/g, ''));
      if (error === null && stdout.trim() === 'yes') {
        resolve(said.includes('build-users-group') ? { why: said, hint: NO_BUILDERS } : undefined);
      } else if (error === null) {
        resolve({ why: 'it has no flakes', hint: 'allow them: experimental-features = nix-command flakes' });
      } else
        resolve({ why: said || error.message, hint: 'see that nix works for this user: `nix store ping`' });
    });
  });
}

const NO_BUILDERS =
  'create the group and its users, or set `build-users-group =` in nix.conf to build as this user';

async function bubblewrapFact(env: Env, { readText }: Machine): Promise<Fact> {
  const name = 'bubblewrap';
  const facts = await bwrapFacts({ env, readText });
  if (facts.kind === 'missing') return { name, state: 'weak', found: facts.reason, hint: facts.help };
  if (facts.kind === 'blocked') {
    return { name, state: 'weak', found: `${facts.path}: ${facts.reason}`, hint: facts.help };
  }
  const how = process.geteuid?.() === 0 ? 'as root' : 'by user namespaces';
  const found = `${facts.version} (${facts.path}), sandboxes and mounts work, ${how}`;
  if (facts.options.has('--size')) return { name, state: 'good', found };
  return { name, state: 'weak', found, hint: 'from 0.7 on it can bound the size of a tmpfs mount' };
}

function sandboxExecFact({ readText }: Machine): Fact {
  const name = 'sandbox-exec';
  const path = '/usr/bin/sandbox-exec';
  if (readText(path) !== undefined) return { name, state: 'good', found: path };
  return {
    name,
    state: 'weak',
    found: 'not there',
    hint: 'it is a part of macOS; without it `sandbox` is refused',
  };
}

/** Makes a group and removes it at once: nothing else tells whether that can be done. */
function groupsFact(): Fact {
  const name = 'limits';
  const made = createCgroups().make(`doctor-${process.pid}`, { memory: 16 * 1024 * 1024, cpus: 1 });
  if (made.ok) {
    made.value?.remove();
    return { name, state: 'good', found: 'memory and cpus can be held by control groups' };
  }
  const { message, help } = made.error;
  return { name, state: 'weak', found: message, ...(help === undefined ? {} : { hint: help }) };
}

function onPath(program: string, env: Env): string | undefined {
  return findOnPath(program, env['PATH']);
}

function firstLine(text: string): string {
  const line = text.split('\n').find((each) => each.trim() !== '') ?? '';
  return line
    .trim()
    .replace(/^(error|warning): ?/, '')
    .slice(0, 200);
}
