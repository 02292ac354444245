import { createHash } from 'node:crypto';
import { type BigIntStats, createReadStream } from 'node:fs';
import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import type { FileDigests } from './file-digests.ts';
import { IgnoreList } from './ignore.ts';
import { BLOCK_BYTES, padding, TAR_END, tarHeader } from './tar.ts';

/** What goes to the engine for a build. */
export interface BuildContext {
  /** Name of the Dockerfile in the archive. */
  readonly dockerfile: string;
  /** Digest of everything that goes into the archive. Rejects with a ContextError. */
  digest(digests: FileDigests): Promise<string>;
  /** Images that the Dockerfile names as bases, those with variables in their name left out. */
  baseImages(): Promise<readonly string[]>;
  /** The archive, read anew each time. */
  archive(): Readable;
}

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly stat: BigIntStats;
}

/** Under which name a Dockerfile from outside the context is sent along. */
const FOREIGN_DOCKERFILE = '.setpoint.Dockerfile';

/** More files and folders than this are no context but a mistake. */
const MOST_ENTRIES = 200_000;

/** A context that cannot be used; the message is a sentence. */
export class ContextError extends Error {}

/**
 * The context of a build: the folder without what its .dockerignore leaves out; the Dockerfile and the .dockerignore
 * themselves always go along. Rejects with a ContextError.
 */
export async function openContext(folder: string, dockerfile = 'Dockerfile'): Promise<BuildContext> {
  const path = isAbsolute(dockerfile) ? dockerfile : join(folder, dockerfile);
  const inside = relative(folder, path);
  const isForeign = inside === '..' || inside.startsWith('../');
  await mustBeFolder(folder);
  await mustBeFile(path);
  const ignore = await ignoreList(folder, path);
  const always = new Set(['.dockerignore', ...(isForeign ? [] : [inside])]);
  const entries = await walk(folder, ignore, always);
  if (isForeign) entries.push({ name: FOREIGN_DOCKERFILE, path, stat: await lstat(path, { bigint: true }) });
  return {
    dockerfile: isForeign ? FOREIGN_DOCKERFILE : inside,
    baseImages: async () => parseBases(await readFile(path, 'utf8').catch(refuse(path))),
    archive: () => Readable.from(archive(entries), { objectMode: false }),
    digest: (digests) => digestOf(entries, digests),
  };
}

/** `NAME.dockerignore` beside a Dockerfile of that name comes before the context's own. */
async function ignoreList(folder: string, dockerfile: string): Promise<IgnoreList> {
  const special = await readFile(`${dockerfile}.dockerignore`, 'utf8').catch(() => undefined);
  const text = special ?? (await readFile(join(folder, '.dockerignore'), 'utf8').catch(() => ''));
  return new IgnoreList(text);
}

async function walk(folder: string, ignore: IgnoreList, always: ReadonlySet<string>): Promise<Entry[]> {
  const found: Entry[] = [];
  const queue = [''];
  for (let at = 0; at < queue.length; at += 1) {
    const parent = queue[at] ?? '';
    const names = await readdir(join(folder, parent)).catch(refuse(join(folder, parent)));
    for (const child of names.sort()) {
      const name = parent === '' ? child : `${parent}/${child}`;
      const path = join(folder, name);
      const stat = await lstat(path, { bigint: true }).catch(refuse(path));
      const isKept = always.has(name) || !ignore.ignores(name);
      const mayHoldKept =
        ignore.mayTakeBackIn(name) || [...always].some((file) => file.startsWith(`${name}/`));
      if (stat.isDirectory() && (isKept || mayHoldKept)) queue.push(name);
      // Pipes, sockets and devices are nothing an image could hold.
      const isPlain = stat.isDirectory() || stat.isFile() || stat.isSymbolicLink();
      if (isKept && isPlain) found.push({ name, path, stat });
      if (found.length + queue.length > MOST_ENTRIES) {
        const most = MOST_ENTRIES.toLocaleString('en');
        throw new ContextError(`the build context ${folder} has more than ${most} files; see .dockerignore`);
      }
    }
  }
  return found;
}

async function digestOf(entries: readonly Entry[], digests: FileDigests): Promise<string> {
  const hash = createHash('sha256');
  for (const { name, path, stat } of entries) {
    const content = stat.isDirectory()
      ? ''
      : await (stat.isSymbolicLink() ? readlink(path) : digests.of(path, stat)).catch(refuse(path));
    const kind = stat.isDirectory() ? 'folder' : stat.isSymbolicLink() ? 'link' : 'file';
    hash.update(`${JSON.stringify([name, kind, modeOf(stat), content])}\n`);
  }
  return hash.digest('hex');
}

function modeOf(stat: BigIntStats): number {
  return Number(stat.mode) & 0o7777;
}

async function* archive(entries: readonly Entry[]): AsyncGenerator<Buffer> {
  for (const { name, path, stat } of entries) {
    const mode = modeOf(stat);
    if (stat.isDirectory()) yield tarHeader({ name, kind: 'folder', mode, size: 0 });
    else if (stat.isSymbolicLink()) {
      const target = await readlink(path).catch(refuse(path));
      yield tarHeader({ name, kind: 'link', mode, size: 0, target });
    } else yield* file(name, path, mode, Number(stat.size));
  }
  yield TAR_END;
}

/** Of a file that grows meanwhile only what it had; one that shrinks makes the archive useless. */
async function* file(name: string, path: string, mode: number, size: number): AsyncGenerator<Buffer> {
  yield tarHeader({ name, kind: 'file', mode, size });
  if (size === 0) return;
  let sent = 0;
  try {
    for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: 128 * BLOCK_BYTES })) {
      sent += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  } catch (error) {
    refuse(path)(error);
  }
  if (sent !== size) throw new ContextError(`${path} was changed while it was read`);
  yield padding(size);
}

/** Of FROM, COPY --from and the syntax directive; stages of the same file are no images. */
export function parseBases(dockerfile: string): readonly string[] {
  const stages = new Set<string>(['scratch']);
  const found = new Set<string>();
  const syntax = /^#\s*syntax\s*=\s*(\S+)/im.exec(dockerfile)?.[1];
  if (syntax !== undefined) found.add(syntax);
  for (const line of dockerfile.replace(/\\\r?\n/g, ' ').split('\n')) {
    const from = /^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/i.exec(line);
    const copied = /^\s*(?:COPY|ADD)\s+(?:--\S+\s+)*?--from=(\S+)/i.exec(line)?.[1];
    const image = from?.[1] ?? copied;
    const isStage = image === undefined || stages.has(image.toLowerCase()) || /^\d+$/.test(image);
    if (!isStage && !image.includes('$')) found.add(image);
    if (from?.[2] !== undefined) stages.add(from[2].toLowerCase());
  }
  return [...found];
}

async function mustBeFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) throw new ContextError(`the build context ${path} is not a folder`);
}

async function mustBeFile(path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat === undefined || stat.isDirectory()) throw new ContextError(`there is no Dockerfile at ${path}`);
}

function refuse(path: string): (error: unknown) => never {
  return (error) => {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ContextError(`${path} cannot be read (${code})`);
  };
}
