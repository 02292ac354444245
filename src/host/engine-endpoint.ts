import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { err, ok, type Result } from '../core/util/result.ts';
import { asRecord } from '../core/util/record.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Where the engine is. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string; readonly from: string }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      readonly tls?: Tls;
      readonly from: string;
    }
  | {
      readonly kind: 'ssh';
      /** `[user@]host`, as ssh(1) takes it. */
      readonly destination: string;
      readonly port?: number;
      /** The socket on the other side where it is not the usual one. */
      readonly path?: string;
      readonly from: string;
    };

interface Tls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** False: any certificate will do. */
  readonly verify: boolean;
}

const DEFAULT_SOCKET = '/var/run/docker.sock';
const TCP_PORT = 2375;
const TLS_PORT = 2376;

/** The folder of the docker client's configuration. */
export function configFolder(env: Env): string {
  const named = env['DOCKER_CONFIG'];
  return named !== undefined && named !== '' ? named : join(env['HOME'] ?? homedir(), '.docker');
}

/**
 * Finds the engine as the docker client does: DOCKER_HOST, else the context DOCKER_CONTEXT names, else the one its
 * configuration calls current, else the usual socket. The error is a sentence that names what is wrong.
 */
export function findEndpoint(env: Env): Result<Endpoint, string> {
  const host = env['DOCKER_HOST'] ?? '';
  if (host !== '') return parseHost(host, 'DOCKER_HOST', () => hostTls(env));
  const named = env['DOCKER_CONTEXT'] ?? '';
  const folder = configFolder(env);
  const current = named !== '' ? ok(named) : currentContext(folder);
  if (!current.ok) return current;
  const context = current.value;
  if (context === undefined || context === '' || context === 'default') {
    return ok({ kind: 'unix', path: DEFAULT_SOCKET, from: 'the usual socket' });
  }
  return contextEndpoint(folder, context, named !== '' ? 'DOCKER_CONTEXT' : join(folder, 'config.json'));
}

function currentContext(folder: string): Result<string | undefined, string> {
  const path = join(folder, 'config.json');
  const config = readJson(path);
  if (!config.ok) return err(`${path} cannot be read: ${config.error}`);
  const context = config.value?.['currentContext'];
  return ok(typeof context === 'string' ? context : undefined);
}

/** Layout of the docker client's context store: folders are named by the SHA-256 of the context's name. */
function contextEndpoint(folder: string, name: string, origin: string): Result<Endpoint, string> {
  const id = createHash('sha256').update(name).digest('hex');
  const path = join(folder, 'contexts', 'meta', id, 'meta.json');
  const meta = readJson(path);
  if (!meta.ok) return err(`${path} cannot be read: ${meta.error}`);
  if (meta.value === undefined)
    return err(`the docker context \`${name}\`, named by ${origin}, does not exist`);
  const endpoint = asRecord(asRecord(meta.value['Endpoints'])?.['docker']);
  const host = endpoint?.['Host'];
  if (typeof host !== 'string' || host === '') {
    return err(`the docker context \`${name}\` names no host for docker (${path})`);
  }
  const files = join(folder, 'contexts', 'tls', id, 'docker');
  const verify = endpoint?.['SkipTLSVerify'] !== true;
  return parseHost(host, `the docker context \`${name}\``, () => {
    const tls = tlsFiles(files, verify);
    return tls.ca === undefined && tls.cert === undefined && verify ? undefined : tls;
  });
}

/** DOCKER_TLS_VERIFY (anything but empty) and DOCKER_TLS turn it on; DOCKER_CERT_PATH says where the files are. */
function hostTls(env: Env): Tls | undefined {
  const verify = (env['DOCKER_TLS_VERIFY'] ?? '') !== '';
  if (!verify && (env['DOCKER_TLS'] ?? '') === '') return undefined;
  const folder = env['DOCKER_CERT_PATH'] ?? '';
  return tlsFiles(folder === '' ? configFolder(env) : folder, verify);
}

function tlsFiles(folder: string, verify: boolean): Tls {
  const files = Object.fromEntries(
    (['ca', 'cert', 'key'] as const).flatMap((name) => {
      const content = tryRead(join(folder, `${name}.pem`));
      return content === undefined ? [] : [[name, content]];
    }),
  );
  return { verify, ...files };
}

function parseHost(text: string, from: string, tls: () => Tls | undefined): Result<Endpoint, string> {
  const refused = err(`${from} is \`${masked(text)}\`: expected unix://PATH, tcp://HOST:PORT or ssh://HOST`);
  if (text.startsWith('unix://')) {
    return ok({ kind: 'unix', path: text.slice('unix://'.length) || DEFAULT_SOCKET, from });
  }
  const url = parseUrl(text.includes('://') ? text : `tcp://${text}`);
  if (url === undefined || url.hostname === '') return refused;
  switch (url.protocol) {
    case 'ssh:': {
      const user = url.username === '' ? '' : `${decodeURIComponent(url.username)}@`;
      // A destination that looks like an option would be one.
      if (`${user}${url.hostname}`.startsWith('-')) return refused;
      return ok({
        kind: 'ssh',
        destination: `${user}${url.hostname}`,
        from,
        ...(url.port === '' ? {} : { port: Number(url.port) }),
        ...(url.pathname === '' || url.pathname === '/' ? {} : { path: url.pathname }),
      });
    }
    case 'tcp:':
    case 'http:':
    case 'https:': {
      const found = url.protocol === 'https:' ? (tls() ?? { verify: true }) : tls();
      const port = url.port === '' ? (found === undefined ? TCP_PORT : TLS_PORT) : Number(url.port);
      const host = url.hostname.replace(/^\[|\]$/g, '');
      return ok({ kind: 'tcp', host, port, from, ...(found === undefined ? {} : { tls: found }) });
    }
    default:
      return refused;
  }
}

/** How the endpoint is written in messages. */
export function describeEndpoint(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'unix':
      return `unix://${endpoint.path}`;
    case 'tcp':
      return `tcp://${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`;
    case 'ssh':
      return `ssh://${endpoint.destination}${endpoint.port === undefined ? '' : `:${endpoint.port}`}`;
  }
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function masked(text: string): string {
  return text.replace(/\/\/[^@/]*@/, '//***@');
}

function readJson(path: string): Result<Readonly<Record<string, unknown>> | undefined, string> {
  try {
    const text = tryRead(path)?.toString('utf8');
    if (text === undefined) return ok(undefined);
    const value = asRecord(JSON.parse(text));
    return value === undefined ? err('it is not a JSON object') : ok(value);
  } catch {
    return err('it is not JSON');
  }
}

function tryRead(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
