import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { asRecord } from '../../core/util/record.ts';
import { configFolder } from '../../host/engine-endpoint.ts';

/** What the engine is to say to a registry. */
export interface RegistryAuth {
  readonly serveraddress: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
}

/** Under which key the docker client keeps what belongs to the registry that is meant when none is named. */
const DOCKER_HUB = 'https://index.docker.io/v1/';
const HELPER_MS = 10_000;
const MOST_ANSWER_BYTES = 64 * 1024;
/** Said by helpers in place of a name where the secret is a token (docker-credential-helpers). */
const TOKEN_USER = '<token>';

/** The registry of an image: its first component, if that looks like a host (distribution's reference grammar). */
export function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return !isHost || first === 'docker.io' || first === 'index.docker.io' ? DOCKER_HUB : first;
}

type Env = Readonly<Record<string, string | undefined>>;
type Config = Readonly<Record<string, unknown>>;

/**
 * What the docker client's configuration has for a registry: by its credential helper or store, else from its own file.
 * Undefined where it has nothing, or a helper fails: then the registry is asked without.
 */
export async function findAuth(registry: string, env: Env): Promise<RegistryAuth | undefined> {
  const config = readConfig(env);
  if (config === undefined) return undefined;
  const helper = helperOf(config, registry);
  if (helper !== undefined) {
    const found = await askHelper(helper, registry, env);
    if (found !== undefined) return found;
  }
  return storedAuth(config, registry);
}

function readConfig(env: Env): Config | undefined {
  try {
    return asRecord(JSON.parse(readFileSync(join(configFolder(env), 'config.json'), 'utf8')));
  } catch {
    return undefined;
  }
}

function helperOf(config: Config, registry: string): string | undefined {
  const helpers = asRecord(config['credHelpers']) ?? {};
  const named = Object.hasOwn(helpers, registry) ? helpers[registry] : config['credsStore'];
  // A name only: it becomes part of a program's.
  return typeof named === 'string' && /^[\w.-]+$/.test(named) ? named : undefined;
}

function storedAuth(config: Config, registry: string): RegistryAuth | undefined {
  const auths = asRecord(config['auths']) ?? {};
  const key = Object.keys(auths).find((name) => hostOf(name) === hostOf(registry));
  const entry = key === undefined ? undefined : asRecord(auths[key]);
  if (entry === undefined) return undefined;
  const { auth, identitytoken, username, password } = entry;
  if (typeof identitytoken === 'string' && identitytoken !== '') {
    return { serveraddress: registry, identitytoken };
  }
  if (typeof auth === 'string' && auth !== '') {
    const decoded = Buffer.from(auth, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    if (colon < 0) return undefined;
    // The docker client used to pad the password with NUL.
    const secret = decoded.slice(colon + 1).replace(/\0+$/, '');
    return { serveraddress: registry, username: decoded.slice(0, colon), password: secret };
  }
  if (typeof username !== 'string' || typeof password !== 'string') return undefined;
  return { serveraddress: registry, username, password };
}

function hostOf(registry: string): string {
  return registry.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

/** The protocol of docker-credential-helpers: the registry on stdin, JSON on stdout. */
async function askHelper(name: string, registry: string, env: Env): Promise<RegistryAuth | undefined> {
  const answer = await run(`docker-credential-${name}`, registry, env);
  try {
    const { Username, Secret } = asRecord(JSON.parse(answer ?? '')) ?? {};
    if (typeof Username !== 'string' || typeof Secret !== 'string') return undefined;
    return Username === TOKEN_USER
      ? { serveraddress: registry, identitytoken: Secret }
      : { serveraddress: registry, username: Username, password: Secret };
  } catch {
    return undefined;
  }
}

function run(program: string, input: string, env: Env): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, ['get'], {
      env,
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: HELPER_MS,
      killSignal: 'SIGKILL',
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      if (output.length < MOST_ANSWER_BYTES) output += chunk.toString('utf8');
    });
    child.on('error', () => resolve(undefined));
    child.on('close', (code) => resolve(code === 0 ? output : undefined));
    // A helper that is not there cannot be written to; its `error` says so.
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${input}\n`);
  });
}
