import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, lstatSync, mkdtempSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { RunId } from '../../core/state.ts';
import { errnoOf, messageOf } from '../../core/util/system-error.ts';
import { FILES } from './launcher.ts';
import { parseNotifyFile } from './notify.ts';
import { PERL_RECEIVER, PYTHON_RECEIVER } from './notify-programs.ts';
import { readText } from '../../host/proc-fs.ts';
import { DEFAULT_PATH, type ProgramFinder } from '../../host/programs.ts';
import { isOpenToAll } from '../../host/path-access.ts';

/** An interpreter that can run a receiver. */
export interface ReceiverProgram {
  readonly path: string;
  readonly script: string;
}

/** The interpreters there are, best first; a failure where there is none. */
export function findReceivers(
  programs: ProgramFinder,
  toolPath: string | undefined,
): Result<readonly ReceiverProgram[], StartFailure> {
  const found = (
    [
      ['perl', PERL_RECEIVER],
      ['python3', PYTHON_RECEIVER],
    ] as const
  ).flatMap(([name, script]) => {
    const search = programs.find(name, toolPath, '/');
    return search.kind === 'found' ? [{ path: search.path, script }] : [];
  });
  if (found.length > 0) return ok(found);
  return err({
    code: 'missing-requirement',
    message: 'sd_notify messages are received by perl or python3, and neither is on the PATH of setpoint',
    help: `install one of them, or use a probe of another kind; PATH is ${toolPath ?? 'not set'}`,
  });
}

export interface ReceiverRequest {
  readonly run: RunId;
  readonly instanceDir: string;
  readonly programs: readonly ReceiverProgram[];
  /** The user who sends, where that is another than this one. */
  readonly uid?: number;
  /** This process's own environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Longest path of a socket that all systems take whole (macOS has 104 bytes, the last one for the end). */
const MAX_SOCKET_PATH = 103;
const FOLDER_PREFIX = 'setpoint-notify-';
const BIND_MS = 10_000;
const SAID_LIMIT = 4096;

/**
 * Starts the process that receives a run's messages; resolves with the absolute path of its socket once it is bound. It
 * is no part of the unit: it carries no cookie, has a session of its own, outlives this process, and ends when the FIFO
 * `alive` of the instance, which the caller has to hold open by then, has no writer any more. Never rejects.
 */
export async function startReceiver(request: ReceiverRequest): Promise<Result<string, StartFailure>> {
  removeRemains(request.instanceDir);
  const failures: string[] = [];
  for (const program of request.programs) {
    const tried = await tryReceiver(program, request);
    if (tried.ok) return tried;
    if (SHORTAGE.test(tried.error)) {
      return err({ code: 'resource-shortage', message: `the receiver of notify messages: ${tried.error}` });
    }
    failures.push(tried.error);
  }
  return err({
    code: 'other',
    message: `the receiver of notify messages could not begin: ${failures.join('; ')}`,
  });
}

const SHORTAGE = /\b(EMFILE|ENFILE|EAGAIN|ENOMEM)\b/;

async function tryReceiver(
  program: ReceiverProgram,
  request: ReceiverRequest,
): Promise<Result<string, string>> {
  let folder: string | undefined;
  try {
    const place = socketPlace(request);
    folder = place.folder;
    const uid = request.uid === undefined ? '' : String(request.uid);
    const child = spawn(
      program.path,
      ['-', 'setpoint-notify', request.instanceDir, request.run, place.path, uid, folder ?? ''],
      {
        cwd: '/',
        env: { PATH: request.env['PATH'] ?? DEFAULT_PATH, LC_ALL: 'C' },
        detached: true,
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    const said = await firstWords(child, program.script);
    if (said === 'bound') return ok(place.path);
    if (child.pid !== undefined) child.kill('SIGKILL');
    removeFolder(folder, place.path);
    return err(`${basename(program.path)}: ${said.replace(/^failed /, '')}`);
  } catch (cause) {
    removeFolder(folder, undefined);
    return err(errnoOf(cause) ?? messageOf(cause));
  }
}

/** Its first line; or why there is none. Afterwards nothing ties it to this process. */
function firstWords(child: ChildProcess, script: string): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    let complaint = '';
    const timer = setTimeout(() => done(`it said nothing for ${BIND_MS} ms`), BIND_MS);
    const done = (words: string): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      child.on('error', () => undefined);
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
      child.unref();
      resolve(words);
    };
    child.on('error', (error) => done(errnoOf(error) ?? messageOf(error)));
    child.on('exit', () => setImmediate(() => done(firstLine(said) ?? firstLine(complaint) ?? 'it ended')));
    child.stdin?.on('error', () => undefined);
    child.stderr?.on(
      'data',
      (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(0, SAID_LIMIT)),
    );
    child.stdout?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(0, SAID_LIMIT);
      const line = firstLine(said);
      if (line !== undefined) done(line);
    });
    child.stdin?.end(script);
  });
}

function firstLine(text: string): string | undefined {
  const at = text.indexOf('\n');
  return at < 0 ? undefined : text.slice(0, at);
}

interface Place {
  readonly path: string;
  /** Made for the socket alone. */
  readonly folder?: string;
}

/** In the instance's directory, where the path is short enough and nobody else has to come; else in a folder of its own. */
function socketPlace({ instanceDir, uid, env }: ReceiverRequest): Place {
  const near = join(instanceDir, FILES.notifySocket);
  if (uid === undefined && Buffer.byteLength(near) <= MAX_SOCKET_PATH) return { path: near };
  // Of these two another user can only reach into the second.
  const bases = [...(uid === undefined ? [env['XDG_RUNTIME_DIR']] : []), tmpdir(), '/tmp'];
  for (const base of bases) {
    if (base === undefined || !base.startsWith('/') || !isFolder(base)) continue;
    if (Buffer.byteLength(base) + FOLDER_PREFIX.length + '/XXXXXX/s'.length > MAX_SOCKET_PATH) continue;
    if (uid !== undefined && base !== '/tmp' && !isOpenToAll(base)) continue;
    const folder = mkdtempSync(join(base, FOLDER_PREFIX));
    // Others may pass through, and see nothing.
    if (uid !== undefined) chmodSync(folder, 0o711);
    return { path: join(folder, 's'), folder };
  }
  throw new Error('there is no folder for its socket whose path is short enough');
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Of the run before, whose receiver may have been killed: its socket, where that is not to be replaced anyway. */
function removeRemains(instanceDir: string): void {
  const file = join(instanceDir, FILES.notify);
  const socket = parseNotifyFile(readText(file))?.socket;
  rmSync(file, { force: true });
  if (socket === undefined || !basename(dirname(socket)).startsWith(FOLDER_PREFIX)) return;
  removeFolder(dirname(socket), socket);
}

function removeFolder(folder: string | undefined, socket: string | undefined): void {
  if (folder === undefined) return;
  try {
    if (socket !== undefined && lstatSync(socket, { throwIfNoEntry: false })?.isSocket() === true)
      rmSync(socket);
    rmdirSync(folder);
  } catch {
    // It was removed by its receiver, or holds something that is not ours.
  }
}
