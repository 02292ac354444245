import { spawn } from 'node:child_process';
import { Agent } from 'node:http';
import { Duplex } from 'node:stream';
import type { Endpoint } from '../../host/engine-endpoint.ts';

type SshEndpoint = Extract<Endpoint, { kind: 'ssh' }>;

const MOST_COMPLAINT_CHARS = 300;

/**
 * Connections to an engine on another machine: for each one a `ssh` that runs `docker system dial-stdio` there, which is
 * how the docker client does it. So ssh's own configuration, keys and known hosts hold, and nothing is asked for.
 */
export function sshAgent(endpoint: SshEndpoint, env: Readonly<Record<string, string | undefined>>): Agent {
  const agent = new Agent({ keepAlive: false });
  return Object.assign(agent, { createConnection: () => dial(endpoint, env) });
}

/** The arguments of ssh(1): no terminal, no questions, and nothing that follows the destination is an option. */
export function sshArguments({ destination, port, path }: SshEndpoint): readonly string[] {
  return [
    '-T',
    '-o',
    'BatchMode=yes',
    '-o',
    'ConnectTimeout=20',
    ...(port === undefined ? [] : ['-p', String(port)]),
    '--',
    destination,
    'docker',
    ...(path === undefined ? [] : ['--host', `unix://${path}`]),
    'system',
    'dial-stdio',
  ];
}

/** Ends along with its ssh. */
class SshConnection extends Duplex {
  readonly #child: ReturnType<typeof start>;

  constructor(endpoint: SshEndpoint, env: Readonly<Record<string, string | undefined>>) {
    super({ allowHalfOpen: true });
    const child = start(endpoint, env);
    this.#child = child;
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString('utf8')).slice(-MOST_COMPLAINT_CHARS);
    });
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stdout.on('error', (error) => this.destroy(error));
    child.stdin.on('error', (error) => this.destroy(error));
    child.on('error', () => this.destroy(refused('the program ssh could not be started')));
    child.on('close', (code) => {
      if (code === 0 || code === null) this.push(null);
      else
        this.destroy(refused(`ssh to ${endpoint.destination} failed: ${complaint.trim() || `exit ${code}`}`));
    });
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#child.stdin.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#child.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#child.kill('SIGTERM');
    done(error);
  }

  // The rest of what an HTTP client calls on a socket; a pipe has nothing to set.
  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

function dial(endpoint: SshEndpoint, env: Readonly<Record<string, string | undefined>>): Duplex {
  return new SshConnection(endpoint, env);
}

function start(endpoint: SshEndpoint, env: Readonly<Record<string, string | undefined>>) {
  return spawn('ssh', [...sshArguments(endpoint)], { env, stdio: ['pipe', 'pipe', 'pipe'] });
}

function refused(message: string): Error {
  return Object.assign(new Error(message), { code: 'ECONNREFUSED' });
}
