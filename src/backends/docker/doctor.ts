import { get, type RequestOptions } from 'node:http';
import { get as getByTls } from 'node:https';
import { describeEndpoint, type Endpoint, findEndpoint } from '../../host/engine-endpoint.ts';
import { findOnPath } from '../../host/programs.ts';
import type { MachineFact, MachineView } from '../../core/machine-fact.ts';

type Env = Readonly<Record<string, string | undefined>>;

const ANSWER_MS = 3000;

/** Whether an engine answers where the environment says that it is, and what to do where none does. */
export async function engineFact(env: Env, machine: MachineView): Promise<MachineFact> {
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

function dockerHint(code: string, endpoint: Endpoint, env: Env, machine: MachineView): string {
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
export function installDocker({ platform, readText }: MachineView): string {
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

function onPath(program: string, env: Env): string | undefined {
  return findOnPath(program, env['PATH']);
}
