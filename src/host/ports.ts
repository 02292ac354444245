import { readdirSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { readProcFile } from './proc-fs.ts';

interface PortHolder {
  readonly pid: number;
  readonly name: string;
}

const SLICE_MS = 4;

/** A TCP port that nobody uses on any address. It stays free only as long as nobody else takes it. */
export async function findFreePort(): Promise<number> {
  const port = await tryListen(0);
  if (typeof port === 'number') return port;
  throw new Error(`no free TCP port: ${port}`);
}

/** Whether somebody listens on this TCP port, on any address. */
export async function isPortTaken(port: number): Promise<boolean> {
  return (await tryListen(port)) === 'EADDRINUSE';
}

/**
 * Binds and listens for a moment, on all addresses of both families: the only question whose answer is the one the
 * service will get. Answers with the port, or with the system's error code.
 */
async function tryListen(port: number): Promise<number | string> {
  const outcome = await listenOnce(port, '::');
  return outcome === 'EAFNOSUPPORT' || outcome === 'EADDRNOTAVAIL' ? listenOnce(port, '0.0.0.0') : outcome;
}

function listenOnce(port: number, host: string): Promise<number | string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 'EINVAL'));
    });
  });
}

/** Who listens on a TCP port; undefined where nobody does or it cannot be seen (another user's, or no /proc). */
export async function findPortHolder(port: number): Promise<PortHolder | undefined> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readTable(`/proc/net/${name}`)));
  return findSocketHolder(new Set(tables.flatMap((text) => parseListeners(text, port))));
}

/** Who has a Unix socket of this path; undefined where nobody has or it cannot be seen. */
export async function findUnixSocketHolder(path: string): Promise<PortHolder | undefined> {
  return findSocketHolder(new Set(parseUnixSockets(await readTable('/proc/net/unix'), path)));
}

function readTable(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '');
}

const LISTEN = '0A';

/** Inodes of the listening sockets with this local port in a text like /proc/net/tcp (proc(5)). */
export function parseListeners(text: string, port: number): readonly string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return text.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const inode = fields[9];
    return fields[1]?.endsWith(suffix) === true && fields[3] === LISTEN && inode !== undefined ? [inode] : [];
  });
}

/** Inodes of the sockets bound to this path in a text like /proc/net/unix. */
export function parseUnixSockets(text: string, path: string): readonly string[] {
  const encoded = Buffer.from(path, 'utf8').toString('latin1');
  return text.split('\n').flatMap((line) => {
    const match = /^\S+ \S+ \S+ \S+ \S+ \S+ +(\d+) (.+)$/.exec(line);
    return match?.[2] === encoded && match[1] !== undefined ? [match[1]] : [];
  });
}

async function findSocketHolder(inodes: ReadonlySet<string>): Promise<PortHolder | undefined> {
  if (inodes.size === 0) return undefined;
  const wanted = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  let sliceStart = performance.now();
  for (const name of listFolder('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    for (const fd of listFolder(`/proc/${name}/fd`)) {
      if (wanted.has(readLink(`/proc/${name}/fd/${fd}`))) {
        return {
          pid: Number(name),
          name: readProcFile(`/proc/${name}/comm`)?.toString('utf8').trim() ?? '?',
        };
      }
    }
    if (performance.now() - sliceStart > SLICE_MS) {
      await setImmediate();
      sliceStart = performance.now();
    }
  }
  return undefined;
}

function listFolder(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
