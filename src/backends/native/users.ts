import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { StartFailure } from '../../core/exit.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import { findProgram } from '../../host/programs.ts';

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

interface UserPlan {
  /** Who that is; absent where it runs as the user that is there already. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** A command to put before the service's; empty where it runs as the user that is there already. */
  readonly prefix: readonly string[];
  /** Variables to set for that user. */
  readonly env: Readonly<Record<string, string>>;
}

/** The invoking side, so that tests need not be another user. */
interface Invoker {
  readonly uid: number;
  readonly gid: number;
  readonly path: string | undefined;
}

const GETENT_MS = 5000;

/**
 * How to become `user`, which is a name or number, with `:GROUP` (name or number) or without. A number that no account
 * has gets the group of the same number and no other groups.
 */
export async function planUser(user: string, invoker: Invoker): Promise<Result<UserPlan, StartFailure>> {
  const [name = '', group] = user.split(/:(.*)/s, 2);
  const account = await findAccount(name, invoker.path);
  if (account === undefined && !isNumber(name))
    return refuse(`there is no user "${name}"`, 'create it, or name another');
  const uid = account?.uid ?? Number(name);
  const gid = group === undefined ? (account?.gid ?? uid) : await findGroup(group, invoker.path);
  if (gid === undefined) return refuse(`there is no group "${group ?? ''}"`, 'create it, or name another');
  if (uid === invoker.uid && (group === undefined || gid === invoker.gid)) return ok({ prefix: [], env: {} });
  if (invoker.uid !== 0) {
    return refuse(
      `running as ${user} needs root, and setpoint runs as uid ${invoker.uid}`,
      'leave out `user`, or run setpoint as root',
    );
  }
  const tool = findProgram('setpriv', invoker.path, '/');
  if (tool.kind !== 'found')
    return refuse('setpriv(1) is missing, which changes the user', 'install util-linux');
  const groups = account === undefined ? '--clear-groups' : '--init-groups';
  return ok({
    owner: { uid, gid },
    prefix: [tool.path, `--reuid=${uid}`, `--regid=${gid}`, groups, '--'],
    env:
      account === undefined
        ? {}
        : { HOME: account.home, USER: account.name, LOGNAME: account.name, SHELL: account.shell },
  });
}

function refuse(message: string, help: string): { readonly ok: false; readonly error: StartFailure } {
  return err({ code: 'user-unavailable', message, help });
}

function isNumber(text: string): boolean {
  return /^\d{1,10}$/.test(text);
}

async function findAccount(name: string, path: string | undefined): Promise<Account | undefined> {
  const number = isNumber(name) ? Number(name) : undefined;
  const matches = (account: Account): boolean => account.name === name || account.uid === number;
  const local = parsePasswd(await readFile('/etc/passwd', 'utf8').catch(() => '')).find(matches);
  return local ?? parsePasswd(await getent('passwd', name, path)).find(matches);
}

/** Accounts in a text like passwd(5). */
export function parsePasswd(text: string): readonly Account[] {
  return text.split('\n').flatMap((line) => {
    const [name, , uid, gid, , home, shell] = line.split(':');
    if (name === undefined || home === undefined || !isNumber(uid ?? '') || !isNumber(gid ?? '')) return [];
    return [
      {
        name,
        uid: Number(uid),
        gid: Number(gid),
        home,
        shell: shell === undefined || shell === '' ? '/bin/sh' : shell,
      },
    ];
  });
}

async function findGroup(name: string, path: string | undefined): Promise<number | undefined> {
  if (isNumber(name)) return Number(name);
  const local = findInGroups(await readFile('/etc/group', 'utf8').catch(() => ''), name);
  return local ?? findInGroups(await getent('group', name, path), name);
}

/** The number of a group in a text like group(5). */
function findInGroups(text: string, name: string): number | undefined {
  const fields = text
    .split('\n')
    .map((line) => line.split(':'))
    .find((line) => line[0] === name);
  return isNumber(fields?.[2] ?? '') ? Number(fields?.[2]) : undefined;
}

/** Asks the directory services that the files do not know of. */
function getent(database: string, key: string, path: string | undefined): Promise<string> {
  const tool = findProgram('getent', path, '/');
  if (tool.kind !== 'found' || key === '') return Promise.resolve('');
  return new Promise((resolve) => {
    execFile(tool.path, [database, key], { timeout: GETENT_MS }, (_error, stdout) => resolve(stdout));
  });
}
